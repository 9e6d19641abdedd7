#!/bin/bash
# What the profile `tls` trusts and keeps secret, made in its volumes at the first start: an authority,
# the broker's certificate and the admin's, a password for each user. Nothing of it is ever in the
# repository or in an image, and the authority's own key is gone when this ends.
#
# Runs in Kafka's image, whose Java brings keytool. /made holds one volume for each who is to see it:
#   trust     ca.pem                         everybody
#   kafka     server.properties, broker.p12  the broker
#   admin     admin.p12, password            whoever makes topics, users and rights
#   users/*   password                       that user, and the admin, who enters it
set -euo pipefail
umask 077
cd /made

BROKER=kafka-tls
OURS=10001      # the user of our images
KAFKA=1000      # the user of Kafka's image

main() {
    if [ -e trust/ca.pem ]; then
        echo "made before, kept"
        return
    fi
    local user
    AUTHORITY=$(random) BROKERS=$(random) ADMINS=$(random)
    export AUTHORITY BROKERS ADMINS
    authority
    signed BROKERS kafka/broker.p12 $BROKER -ext "san=dns:$BROKER" -ext eku=serverAuth,clientAuth
    signed ADMINS admin/admin.p12 admin -ext eku=clientAuth
    server_properties >kafka/server.properties
    echo "$ADMINS" >admin/password
    for user in users/*; do random >"$user/password"; done
    chown $KAFKA:$KAFKA kafka/*
    chown $OURS:$OURS admin/* users/*/password
    # Last: with it, everything is there.
    cp /tmp/ca.pem trust/ca.pem.new && chmod 644 trust/ca.pem.new && mv trust/ca.pem.new trust/ca.pem
    echo "made: an authority, 2 certificates, $(echo users/* | wc -w) passwords"
}

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# tool SECRET KEYSTORE ARGUMENTS...: SECRET is the name of a variable, so that no list of processes has it.
tool() {
    local secret=$1 store=$2
    shift 2
    keytool -J-XX:TieredStopAtLevel=1 "$@" -keystore "$store" -storetype PKCS12 -storepass:env "$secret" 2>/tmp/said ||
        { cat /tmp/said >&2 && return 1; }
}

authority() {
    tool AUTHORITY /tmp/ca.p12 -genkeypair -alias ca -keyalg EC -groupname secp256r1 -validity 3650 \
        -dname CN=heddle-compose -ext bc:c=ca:true -ext ku:c=keyCertSign,cRLSign
    tool AUTHORITY /tmp/ca.p12 -exportcert -rfc -alias ca >/tmp/ca.pem
}

# signed SECRET KEYSTORE NAME EXTENSIONS...
signed() {
    local secret=$1 store=$2 name=$3
    shift 3
    tool "$secret" "$store" -genkeypair -alias key -keyalg EC -groupname secp256r1 -dname "CN=$name"
    tool "$secret" "$store" -certreq -alias key >/tmp/request
    tool AUTHORITY /tmp/ca.p12 -gencert -rfc -alias ca -validity 365 "$@" </tmp/request >/tmp/answer
    tool "$secret" "$store" -importcert -noprompt -alias ca </tmp/ca.pem
    tool "$secret" "$store" -importcert -noprompt -alias key </tmp/answer
}

# The whole configuration: Kafka's image takes a mounted one instead of KAFKA_* (its file input).
server_properties() {
    local scram=org.apache.kafka.common.security.scram.ScramLoginModule
    cat <<PROPERTIES
node.id=1
process.roles=broker,controller
controller.quorum.voters=1@$BROKER:9095
controller.listener.names=CONTROLLER
listeners=SECURE://:9093,MUTUAL://:9094,CONTROLLER://:9095
advertised.listeners=SECURE://$BROKER:9093,MUTUAL://$BROKER:9094
listener.security.protocol.map=SECURE:SASL_SSL,MUTUAL:SSL,CONTROLLER:SSL
inter.broker.listener.name=MUTUAL
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.secure.scram-sha-512.sasl.jaas.config=$scram required;
listener.name.mutual.ssl.client.auth=required
listener.name.controller.ssl.client.auth=required
ssl.keystore.type=PKCS12
ssl.keystore.location=/mnt/shared/config/broker.p12
ssl.keystore.password=$BROKERS
ssl.key.password=$BROKERS
ssl.truststore.type=PKCS12
ssl.truststore.location=/mnt/shared/config/broker.p12
ssl.truststore.password=$BROKERS
ssl.principal.mapping.rules=RULE:^CN=([a-z-]+)\$/\$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:$BROKER;User:admin
log.dirs=/var/lib/kafka/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
}

main
