# The image of brokers and operator: the commands `broker` and `operator`, and nothing to log in to.
#   docker build -t registry.example.com/streamcluster:0.1.0 .
# Tests run the same image made without a daemon (scripts/build-image.ts).

FROM node:22-bookworm-slim AS packages
WORKDIR /opt/streamcluster
COPY package.json package-lock.json ./
# Not `npm ci`: it refuses a lock file without other platforms' optional packages. Versions and hashes
# are those of the lock file all the same. The package `node` brings the Node that runs the program.
RUN npm install --omit=dev --no-save --no-audit --no-fund && npm cache clean --force

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends ca-certificates libatomic1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/streamcluster
COPY --from=packages /opt/streamcluster/node_modules/node/bin/node /usr/local/bin/node
COPY --from=packages /opt/streamcluster/node_modules ./node_modules
COPY package.json LICENSE ./
COPY base ./base
COPY object-store ./object-store
COPY metadata ./metadata
COPY controller ./controller
COPY broker ./broker
COPY operator ./operator
RUN script() { printf "#!%s\nimport('/opt/streamcluster/%s/main.ts')\n" "$1" "$2" > "/usr/local/bin/$2"; } \
 && script "/usr/local/bin/node" broker \
 && script "/usr/local/bin/node --optimize-for-size" operator \
 && chmod 755 /usr/local/bin/broker /usr/local/bin/operator
ENV NODE_ENV=production \
    NODE_COMPILE_CACHE=/opt/streamcluster/.cache/compile \
    NODE_COMPILE_CACHE_PORTABLE=1
# What Node makes of the sources, made once: a broker starts in a third of the CPU time.
RUN --mount=type=bind,source=scripts/image/warm.ts,target=/opt/streamcluster/warm.ts \
    node warm.ts /opt/streamcluster broker \
 && node --optimize-for-size warm.ts /opt/streamcluster operator \
 && chmod -R a+rX .cache
USER 65532:65532
CMD ["broker"]
