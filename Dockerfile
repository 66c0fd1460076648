# The server as a container: docs/operations.md says how to run it.
#
#   docker build -t postern .

FROM node:22.23.3-bookworm-slim AS build
WORKDIR /src
COPY package.json pnpm-lock.yaml pnpm-workspace.yaml tsconfig.base.json tsconfig.json ./
COPY scripts scripts
COPY packages packages
RUN node scripts/setup.mjs
# What the lockfile names, without what only building needs.
RUN npx --yes "$(node -p 'require("./package.json").packageManager')" --filter @postern/server --prod deploy --legacy /opt/postern

FROM node:22.23.3-bookworm-slim
LABEL org.opencontainers.image.title="Postern" \
      org.opencontainers.image.description="Two-factor authentication server" \
      org.opencontainers.image.licenses="MIT"
RUN groupadd --gid 7465 postern \
    && useradd --uid 7465 --gid 7465 --no-create-home --home-dir /var/lib/postern --shell /usr/sbin/nologin postern \
    && install -d -o postern -g postern -m 0700 /var/lib/postern
COPY --from=build /opt/postern /opt/postern
COPY packaging/container/healthcheck.mjs /opt/postern/healthcheck.mjs
RUN ln -s /opt/postern/bin/posternd.js /usr/local/bin/posternd
# A path, not a password: the file is mounted as a secret.
ENV NODE_ENV=production \
    POSTERND_DATA=/var/lib/postern \
    POSTERND_ADMIN_PASSWORD_FILE=/run/secrets/admin-password \
    POSTERND_LISTEN=0.0.0.0:7465 \
    POSTERND_HTTP=0.0.0.0:7466
USER 7465:7465
VOLUME /var/lib/postern
EXPOSE 7465 7466
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s CMD ["node", "/opt/postern/healthcheck.mjs"]
ENTRYPOINT ["node", "/opt/postern/bin/posternd.js"]
CMD ["start", "--init", "--no-input"]
