# syntax=docker/dockerfile:1
# Citadel in an image. `docker build -t citadel .`, then deploy/compose.yaml, or alone:
#   docker run -p 127.0.0.1:8002:8002 -v citadel:/data -e CITADEL_API_KEYS=ops:admin:<a long random text> citadel
FROM node:24.21.0-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Not `npm ci`: see docs/decisions/001. Without what is optional: the image has its Node already.
# Nor what only a build would read: a peer's compiler, and maps of sources.
RUN npm install --no-save --ignore-scripts --omit=dev --omit=optional --no-audit --no-fund \
  && rm -rf node_modules/typescript \
  && find node_modules -name '*.map' -delete

FROM node:24.21.0-bookworm-slim
ENV NODE_ENV=production \
    HOST=0.0.0.0 \
    PORT=8002 \
    CITADEL_DATA_DIR=/data
WORKDIR /app
COPY --from=packages /app/node_modules ./node_modules
COPY package.json LICENSE ./
COPY access ./access
COPY api ./api
COPY bin ./bin
COPY core ./core
COPY dashboards ./dashboards
COPY jobs ./jobs
COPY outbound ./outbound
COPY queues ./queues
COPY rag ./rag
COPY servers ./servers
COPY storage ./storage
COPY workers ./workers
COPY workflows ./workflows
RUN install -d -o node -g node -m 0700 /data
# The image's user node, by number: where only a number proves that it is not root (Kubernetes' runAsNonRoot).
USER 1000:1000
VOLUME /data
EXPOSE 8002
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=90s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/api/v1/health/ready`).then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "--max-semi-space-size=8", "bin/citadel.mjs"]
CMD ["up"]
