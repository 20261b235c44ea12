# The search wing and the server, without torch: see docs/deploy.md.
FROM python:3.12-slim AS build
WORKDIR /build
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY src src
RUN python -m venv /opt/samebut \
 && /opt/samebut/bin/pip install --no-cache-dir -c constraints.txt '.[serve]'

FROM python:3.12-slim
COPY --from=build /opt/samebut /opt/samebut
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin samebut \
 && install -d -o samebut -g samebut /photos /store
USER samebut
VOLUME ["/photos", "/store"]
EXPOSE 8620
HEALTHCHECK --start-period=60s CMD ["/opt/samebut/bin/python", "-c", \
  "from urllib.request import urlopen; urlopen('http://127.0.0.1:8620/api/v1/health', timeout=5)"]
# Wants SAMEBUT_TOKEN in the environment, or --no-auth as an argument.
ENTRYPOINT ["/opt/samebut/bin/samebut", "serve", "/photos", "--store", "/store", "--host", "0.0.0.0"]
CMD ["--watch"]
