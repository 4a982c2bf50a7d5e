# The image of every Airflow service in docker-compose.yaml.
#
# Python's official slim image, not apache/airflow:3.3.2: that one brings some twenty providers and their clouds'
# SDKs resolved against Airflow's own constraints, which are not ours. Here the image holds what requirements.txt and
# constraints.txt say and the tests ran with, no more. The Python is the one that constraints.txt was resolved and
# tested on; another one is `--build-arg PYTHON=3.12.13`.
ARG PYTHON=3.11.15

FROM python:${PYTHON}-slim-bookworm AS packages
# The virtual environment lies where a checkout has it, so that ./oe finds it in the image as it does there.
# It is built in place: a virtual environment cannot be moved.
WORKDIR /opt/open-empathic
RUN python -m venv .venv
COPY requirements.txt requirements-image.txt constraints.txt ./
# No compiler is installed: what has no wheel must be pure Python.
RUN .venv/bin/pip install --no-cache-dir -r requirements.txt -r requirements-image.txt -c constraints.txt \
    && .venv/bin/pip check

FROM python:${PYTHON}-slim-bookworm
ENV AIRFLOW_HOME=/opt/airflow \
    OPEN_EMPATHIC_RUN=/var/lib/open-empathic \
    PATH=/opt/open-empathic/.venv/bin:$PATH \
    PYTHONPATH=/opt/open-empathic \
    PYTHONUNBUFFERED=1
# The folders that volumes are mounted on: an empty named volume takes its owner from the folder in the image.
RUN useradd --uid 50000 --create-home --shell /bin/bash airflow \
    && install -d -o airflow -g airflow /opt/airflow /opt/airflow/logs /var/lib/open-empathic
WORKDIR /opt/open-empathic
COPY --from=packages /opt/open-empathic/.venv .venv
# This folder is Airflow's DAG bundle. It belongs to root: what runs in the container cannot change it.
COPY .airflowignore oe ./
COPY dags dags
COPY include include
COPY plugins plugins
RUN python -m compileall -q dags include plugins
USER airflow
