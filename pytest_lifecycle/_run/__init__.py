"""What pytest runs as a whole: collects the requests of every test, and what is made of them, one plugin a file."""
