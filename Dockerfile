# Satchel as a server. `docker compose up` starts it beside a store; alone it needs SATCHEL_STORE=redis://...
FROM python:3.11-slim AS build
WORKDIR /src
COPY requirements/serve.txt requirements/serve.txt
RUN python -m venv /satchel
RUN /satchel/bin/python -m pip install --no-cache-dir --require-hashes -r requirements/serve.txt
COPY . .
RUN /satchel/bin/python -m pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim
COPY --from=build /satchel /satchel
RUN useradd --create-home satchel
USER satchel
WORKDIR /agents
EXPOSE 2024
ENTRYPOINT ["/satchel/bin/satchel", "serve", "--host", "0.0.0.0"]
CMD ["--model", "sim:echo", "--open"]
