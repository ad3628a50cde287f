# Live commentary without a GPU: `commentator serve` with the baseline commentator, or with one on another server.
#
#     docker build -t commentator:0.2.0 .
#
# docs/containers.md has the rest, and what of this was tried without Docker.

FROM python:3.11.14-slim-trixie AS build
ARG PREFIX=/opt/commentator
WORKDIR /src
RUN python -m venv --without-pip "$PREFIX"
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY commentator_lib commentator_lib
# Wheels only: there is no compiler here. What they install is compiled to bytecode once, not at each start.
RUN python -m pip --python "$PREFIX/bin/python" install --no-cache-dir --only-binary :all: \
        --constraint constraints.txt ".[serve,openai]"
# The packages' own tests, headers, stubs and what of Arrow talks to servers are of no use at run time. (A module of
# numpy's tests is.)
RUN find "$PREFIX" -type d \( -name tests -o -name include \) -path '*/site-packages/*' \
        -not -path '*/numpy/*' -prune -exec rm -rf {} + \
    && find "$PREFIX" -type f \( -path '*/numpy/*/tests/*test_*' -o -path '*/pyarrow/*flight*' -o -name '*.pyi' \) -delete

FROM python:3.11.14-slim-trixie
ARG PREFIX=/opt/commentator
ARG STATE=/var/lib/commentator
COPY --from=build $PREFIX $PREFIX
RUN install -d -o 10001 -g 10001 "$STATE"
ENV PATH="$PREFIX/bin:$PATH" \
    HOME="$STATE" \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
WORKDIR $STATE
USER 10001:10001
EXPOSE 8765
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8765/healthz', timeout=4)"]
# Without a token one is made, and printed with the link. Runs are kept in ./runs.
ENTRYPOINT ["commentator"]
CMD ["serve", "demo", "--host", "0.0.0.0", "--start", "--log-json"]
