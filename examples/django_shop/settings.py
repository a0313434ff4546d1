"""The shop's settings: no database, no sessions, JSON in and out."""

from __future__ import annotations

SECRET_KEY = "only for this example"
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost"]
ROOT_URLCONF = "examples.django_shop.urls"
APPEND_SLASH = True
USE_TZ = True
DATABASES: dict[str, dict[str, object]] = {}
INSTALLED_APPS: list[str] = []
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "examples.django_shop.middleware.request_id",
    "examples.django_shop.middleware.CorsMiddleware",
    "django.middleware.gzip.GZipMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "examples.django_shop.middleware.AuthMiddleware",
]
CORS_ALLOWED_ORIGIN = "https://shop.example"
