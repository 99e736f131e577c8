FROM python:3.11.14-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    DEBUG=false

RUN useradd --system --uid 10001 --user-group --no-create-home activitylog
WORKDIR /app

# What the site runs on, in the versions that requirements.txt pins; the tools for tests stay outside.
COPY requirements.txt ./
RUN pip install --constraint requirements.txt \
    confluent-kafka django django-environ gunicorn prometheus-client "psycopg[binary]" whitenoise

COPY manage.py ./
COPY kafka_integration ./kafka_integration
COPY activitylog ./activitylog
RUN SECRET_KEY=only-while-building python manage.py collectstatic --noinput --verbosity 0

USER activitylog
EXPOSE 8000
# A live page holds a thread for as long as it is open, so there are twice as many as it may hold (LIVE_STREAMS), and
# stopping doesn't wait for it. The ordinary user has no home for a control socket.
CMD ["gunicorn", "activitylog.wsgi", "--bind", "0.0.0.0:8000", "--workers", "2", "--threads", "32", \
     "--graceful-timeout", "10", "--worker-tmp-dir", "/dev/shm", "--no-control-socket"]
