# Stand-in of apache/kafka: Maven's jars under a headless Java, set up by Apache's own wrapper.
FROM debian:bookworm-slim
RUN apt-get update -qq \
    && mkdir -p /usr/share/man/man1 \
    && apt-get install -y -qq --no-install-recommends openjdk-17-jre-headless \
    && rm -rf /var/lib/apt/lists/* /var/cache/apt
COPY libs /opt/kafka/libs
COPY kafka-run.sh /etc/kafka/docker/run
RUN useradd --uid 1000 appuser \
    && mkdir -p /opt/kafka/config /mnt/shared/config /var/lib/kafka/data /etc/kafka/secrets \
    && printf '%s\n' 'Configuration:' '  Appenders:' '    Console:' '      name: STDOUT' \
    '      PatternLayout:' '        pattern: "[%d] %p %m (%c)%n"' '  Loggers:' '    Root:' \
    '      level: INFO' '      AppenderRef:' '        ref: STDOUT' >/etc/kafka/docker/log4j2.yaml \
    && cp /etc/kafka/docker/log4j2.yaml /etc/kafka/docker/tools-log4j2.yaml \
    && printf '%s\n' process.roles=broker,controller node.id=1 \
    controller.quorum.voters=1@localhost:9093 controller.listener.names=CONTROLLER \
    listeners=PLAINTEXT://:9092,CONTROLLER://:9093 advertised.listeners=PLAINTEXT://localhost:9092 \
    listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT \
    offsets.topic.replication.factor=1 >/etc/kafka/docker/server.properties \
    && chown -R appuser /opt/kafka/config /mnt/shared /var/lib/kafka /etc/kafka && chmod 755 /etc/kafka/docker/run
USER appuser
ENV CLUSTER_ID=5L6g3nShT-eMCtK--X86sw
EXPOSE 9092
VOLUME ["/etc/kafka/secrets", "/var/lib/kafka/data", "/mnt/shared/config"]
CMD ["/etc/kafka/docker/run"]
