"""The one settings file. Every variable is read from the environment by a typed reader; docs/settings.md lists them."""

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

from django.urls import reverse_lazy

from pushplatform.broker import transport_options
from pushplatform.environment import Environment, WrongSetting

BASE_DIR = Path(__file__).resolve().parent.parent
env = Environment(os.environ)

# --- Who runs this, and where -----------------------------------------------------------------------------------------
ENVIRONMENT = env.choice(
    "ENVIRONMENT", ("production", "demo", "test"), "production", "Demo and test allow what only a closed machine may."
)
DEBUG = env.boolean("DEBUG", False, "Django's debug pages. Never in production.")
SECRET_KEYS = env.words(
    "SECRET_KEYS",
    (),
    "The first encrypts secrets in the database and signs sessions, all of them decrypt. To rotate: put a new one in "
    "front, restart, run `manage.py rotate_secrets`, then take the old one away. 50 random characters or more each.",
    shown="required",
)
BASE_URL = env.origin("BASE_URL", "http://localhost:8000", "Where browsers and CRMs reach this platform.")
ALLOWED_HOSTS = list(
    env.words("ALLOWED_HOSTS", (), "Host names this server answers to.", shown="the host of BASE_URL")
) or [str(urlsplit(BASE_URL).hostname)]
if not SECRET_KEYS:
    raise WrongSetting(
        "SECRET_KEYS: it is not set. It must be one or more random texts of 50 characters with commas between, for "
        'example from: python3 -c "import secrets; print(secrets.token_urlsafe(50))"'
    )
if ENVIRONMENT == "production" and min(map(len, SECRET_KEYS)) < 40:
    raise WrongSetting(
        "SECRET_KEYS: a key is shorter than 40 characters. Make each at least 50 random characters long."
    )
SECRET_KEY, *SECRET_KEY_FALLBACKS = SECRET_KEYS

# --- The database and the broker --------------------------------------------------------------------------------------
DATABASES = {
    "default": env.database("DATABASE_URL", "postgresql:///pushplatform", "PostgreSQL 15 or newer.")
    | {"CONN_MAX_AGE": None, "CONN_HEALTH_CHECKS": True}
}
# A server that vanished without a word (a failover) is given up after half a minute; what the URL says wins.
DATABASES["default"]["OPTIONS"] = {
    "connect_timeout": "10",
    "keepalives_idle": "15",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",  # milliseconds
} | DATABASES["default"]["OPTIONS"]
DATABASE_POOL_SIZE = env.integer(
    "DATABASE_POOL_SIZE", 0, "Connections kept by a process with threads (the web process sets 10); 0 keeps one each."
)
if DATABASE_POOL_SIZE:
    DATABASES["default"]["CONN_MAX_AGE"] = 0
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": DATABASE_POOL_SIZE, "timeout": 10}
CELERY_BROKER_URL = env.url(
    "CELERY_BROKER_URL",
    ("redis", "rediss", "amqp", "amqps", "pgmq", "memory"),
    "redis://localhost:6379/0",
    "Carries pokes, nothing of value. Redis 7, RabbitMQ 3.10 or newer, or `pgmq://`: the same database, after "
    "`manage.py install_pgmq`.",
)
CELERY_BROKER_TRANSPORT_OPTIONS = transport_options(CELERY_BROKER_URL, DATABASES["default"])
if CELERY_BROKER_URL.startswith("pgmq"):
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False  # would make tables for each worker that ever ran
CELERY_BROKER_CONNECTION_TIMEOUT = 3
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # a worker waits for its broker however long it is away …
CELERY_BROKER_CHANNEL_ERROR_RETRY = True  # … or full: Redis out of memory is no reason to end
CELERY_TASK_IGNORE_RESULT = True
CELERY_DB_REUSE_MAX = sys.maxsize  # tasks keep their connection, see pushplatform/celery.py
CELERY_TASK_DEFAULT_QUEUE = "chores"
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_MEMORY_PER_CHILD = 500_000  # KiB; a pool process that grew beyond it is replaced between two tasks
# A poke is tried once more at once, since the broker may have been restarted; then it is dropped: the sweep finds what
# is due, and no caller waits for a broker.
CELERY_TASK_PUBLISH_RETRY_POLICY = {"max_retries": 1, "interval_start": 0, "interval_step": 0, "interval_max": 0}

# --- Sending ----------------------------------------------------------------------------------------------------------
PUSH_ALLOWED_HOSTS = frozenset(
    env.words("PUSH_ALLOWED_HOSTS", (), "Hosts of further push services, beside those of the browsers' makers.")
)
PUSH_ALLOW_LOOPBACK = env.boolean(
    "PUSH_ALLOW_LOOPBACK", False, "Let push endpoints be on this machine, also over http."
)
PUSH_HOSTS_ROUTED = env.pairs("PUSH_HOSTS_ROUTED", "Send what is meant for a host to another address (demo and test).")
PUSH_PROXY = env.url("PUSH_PROXY", ("http", "https"), "", "A proxy for the way to the push services.")
PUSH_BATCH_SIZE = env.integer("PUSH_BATCH_SIZE", 1000, "Devices in one batch.", least=1, most=10_000)
PUSH_UNRECORDED_MAX = env.integer(
    "PUSH_UNRECORDED_MAX",
    500,
    "Requests in flight plus answers not yet recorded, per worker process: the most that a killed process sends twice.",
    least=1,
    most=10_000,
)
PUSH_CAMPAIGN_NICE = env.integer(
    "PUSH_CAMPAIGN_NICE",
    10,
    "By so much the processes of a worker for campaigns, without targeted sends, give way to others on their machine.",
    least=0,
    most=19,
)
PUSH_LEASE_SECONDS = env.integer("PUSH_LEASE_SECONDS", 60, "How long a silent worker keeps its batch.", least=1)
PUSH_SWEEP_SECONDS = env.integer("PUSH_SWEEP_SECONDS", 10, "How often what is due is looked for.", least=1, most=600)
PUSH_CONNECT_TIMEOUT = env.integer("PUSH_CONNECT_TIMEOUT", 5, "Seconds to reach a push service.", least=1, most=60)
PUSH_ANSWER_TIMEOUT = env.integer("PUSH_ANSWER_TIMEOUT", 15, "Seconds to wait for its answer.", least=1, most=120)
if PUSH_HOSTS_ROUTED and ENVIRONMENT == "production":
    raise WrongSetting("PUSH_HOSTS_ROUTED: refused in production. Unset it, or set ENVIRONMENT to demo or test.")
if PUSH_ALLOW_LOOPBACK and ENVIRONMENT == "production":
    raise WrongSetting("PUSH_ALLOW_LOOPBACK: refused in production. Unset it, or set ENVIRONMENT to demo or test.")

# --- Privacy ----------------------------------------------------------------------------------------------------------
PRIVACY_JOURNAL = env.text(
    "PRIVACY_JOURNAL",
    str(BASE_DIR / "var" / "privacy-journal"),
    "A folder outside the database, not restored with it, that keeps erasures and withdrawals for `manage.py "
    "after_restore`; `off` keeps none.",
    shown="var/privacy-journal",
)

# --- The CRM API ------------------------------------------------------------------------------------------------------
API_UNITS_PER_MINUTE = env.integer(
    "API_UNITS_PER_MINUTE",
    60_000,
    "What an API key may use in a minute unless it has a limit of its own: a call is a unit, and every ten recipients "
    "(or other items) in it another.",
    least=1,
)
RATE_LIMIT_URL = env.url(
    "RATE_LIMIT_URL",
    ("redis", "rediss"),
    CELERY_BROKER_URL if CELERY_BROKER_URL.startswith("redis") else "",
    "The Redis that counts them. Without one, and while it is away, PostgreSQL does.",
    shown="the broker, where that is Redis",
)
REQUEST_LOG_DAYS = env.integer("REQUEST_LOG_DAYS", 30, "How long the lines of the request log are kept.", least=1)
TRUSTED_PROXIES = env.networks(
    "TRUSTED_PROXIES",
    "Addresses or ranges of the proxies in front, whose X-Forwarded-For is believed: callers' addresses are taken from "
    "it. Empty: nobody's.",
)

# --- Browsers ---------------------------------------------------------------------------------------------------------
BROWSER_API_PER_MINUTE = env.integer(
    "BROWSER_API_PER_MINUTE",
    600,
    "Calls of the browser API taken in a minute from one address (IPv6: one /64), counted by each web process.",
    least=1,
)

# --- Django -----------------------------------------------------------------------------------------------------------
INSTALLED_APPS = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.postgres",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "pushplatform.sites",
    "pushplatform.api",
    "subscribers",
    "campaigns",
]
MIDDLEWARE = [
    "pushplatform.api.request_id.RequestIdMiddleware",
    "pushplatform.api.encoded_path.EncodedSlashMiddleware",
    "pushplatform.api.client_address.ClientAddressMiddleware",
    "pushplatform.api.request_log.RequestLogMiddleware",
    "pushplatform.api.rate_limits.RateLimitMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "pushplatform.sites.site_time.SiteTimeMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]
ROOT_URLCONF = "pushplatform.urls"
ASGI_APPLICATION = "pushplatform.asgi.application"
WSGI_APPLICATION = "pushplatform.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_I18N = True
USE_TZ = True
STATIC_URL = "/static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
# Served from the source folders as they are: the names of sdk.js and sw.js are part of every shop's page.
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = DEBUG

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
SECURE = BASE_URL.startswith("https://")
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
# Cookies ignore ports: neither another app's name, nor that of a second platform on this machine.
_at_port = f"_{urlsplit(BASE_URL).port}" if urlsplit(BASE_URL).port else ""
SESSION_COOKIE_NAME, CSRF_COOKIE_NAME = f"push_session{_at_port}", f"push_csrf{_at_port}"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SECURE else None
CSRF_TRUSTED_ORIGINS = [BASE_URL]
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 1_100_000
LOGIN_URL = reverse_lazy("admin:login")
LOGIN_REDIRECT_URL = reverse_lazy("admin:index")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["pushplatform.api.authentication.ApiKeyAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": [
        "pushplatform.api.rate_limits.WithinLimit",
        "pushplatform.api.authentication.HasScope",
    ],
    "DEFAULT_PARSER_CLASSES": ["pushplatform.api.parsing.StrictJsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "pushplatform.api.rate_limits.LateNegotiation",
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "EXCEPTION_HANDLER": "pushplatform.api.problems.exception_handler",
    "DEFAULT_SCHEMA_CLASS": "campaigns.description.everything.DescribedSchema",
    "DEFAULT_METADATA_CLASS": None,  # OPTIONS is 405, as any method that is not described
    "UNAUTHENTICATED_USER": None,
}

DEFAULT_EXCEPTION_REPORTER_FILTER = "pushplatform.error_pages.WithoutEndpoints"
LOGGING_CONFIG = "pushplatform.log_lines.configure"
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {
        "handlers": ["console"],
        "level": env.choice("LOG_LEVEL", ("DEBUG", "INFO", "WARNING"), "INFO", "Log lines."),
    },
}

UNFOLD = {
    "SITE_TITLE": "Push Platform",
    "SITE_HEADER": "Push Platform",
    "SITE_SUBHEADER": "pushplatform.sites.admin.navigation.site_name",
    "SITE_DROPDOWN": "pushplatform.sites.admin.navigation.site_chooser",
    "SITE_SYMBOL": "notifications_active",
    "SITE_URL": None,
    "SITE_FAVICONS": [{"rel": "icon", "type": "image/svg+xml", "href": "/static/admin-push/icon.svg"}],
    "ENVIRONMENT": "pushplatform.sites.admin.navigation.environment_mark",
    "SHOW_HISTORY": True,
    "SHOW_VIEW_ON_SITE": False,
    "DASHBOARD_CALLBACK": "campaigns.admin.home.context",
    "SIDEBAR": {"navigation": "pushplatform.sites.admin.navigation.sidebar"},
    "STYLES": ["/static/admin-push/admin.css"],
    "SCRIPTS": ["/static/admin-push/admin.js"],
    "BORDER_RADIUS": "6px",
    "COLORS": {
        "primary": {
            "50": "oklch(97% 0.014 268)",
            "100": "oklch(94% 0.03 268)",
            "200": "oklch(88% 0.06 268)",
            "300": "oklch(80% 0.1 268)",
            "400": "oklch(70% 0.15 268)",
            "500": "oklch(60% 0.2 268)",
            "600": "oklch(53% 0.22 268)",
            "700": "oklch(47% 0.21 268)",
            "800": "oklch(41% 0.17 268)",
            "900": "oklch(36% 0.13 268)",
            "950": "oklch(26% 0.09 268)",
        },
    },
}

DECLARED = env.declared
