"""What the traces of a whole run say together. Plain data in, plain data out; knows nothing of pytest."""
