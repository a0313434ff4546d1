"""Settings of `shop_site`, apart from it: who changes MIDDLEWARE does so before the site is made."""

ALLOWED_HOSTS = ["testserver"]
DATABASES: dict[str, object] = {}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "tests.agreement.shop_site.timing",
    "tests.agreement.shop_site.Gate",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
ROOT_URLCONF = "tests.agreement.shop_site"
SECRET_KEY = "tests"
USE_TZ = True
