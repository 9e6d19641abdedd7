#!/bin/bash
# One monitor, one in-memory OSD, one gateway, one bucket; stays as long as the gateway does.
# S3_ACCESS_KEY, S3_SECRET_KEY, S3_BUCKET; the key of the encryption is S3_KMS_KEY=NAME.
set -euo pipefail
cd /home/s3
rm -rf -- ./* && mkdir mon osd rgw crash
fsid=$(cat /proc/sys/kernel/random/uuid)
osd=$(cat /proc/sys/kernel/random/uuid)
secret=$(head -c 32 /dev/urandom | base64)
cat >ceph.conf <<CONF
[global]
fsid = $fsid
mon host = [v2:127.0.0.1:3300]
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $PWD/keyring
ms bind ipv6 = false
public network = 127.0.0.0/8
cluster network = 127.0.0.0/8
run dir = $PWD
admin socket =
pid file =
log file =
log to stderr = true
err to stderr = true
debug rgw = 0
debug mon = 0
mon cluster log file =
crash dir = $PWD/crash
mon data = $PWD/mon
osd data = $PWD/osd
rgw data = $PWD/rgw
osd objectstore = memstore
memstore device bytes = 2147483648
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 2
osd pool default pgp num = 2
osd pool default pg autoscale mode = off
osd class load list = *
osd class default list = *
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 10000
paxos propose interval = 0.02
paxos min wait = 0.01
rgw crypt require ssl = false
rgw crypt s3 kms backend = testing
rgw crypt s3 kms encryption keys = ${S3_KMS_KEY:-heddle}=$secret
rgw frontends = beast tcp_nodelay=1 port=7480
rgw thread pool size = 32
CONF
export CEPH_CONF=$PWD/ceph.conf
new=--create-keyring
for name in mon. client.admin client.rgw osd.0; do
    ceph-authtool keyring $new --gen-key -n "$name" --cap mon 'allow *' --cap osd 'allow *' >/dev/null
    new=
done
monmaptool --create --fsid "$fsid" --addv a '[v2:127.0.0.1:3300]' monmap >/dev/null
ceph-mon --mkfs -i a --monmap monmap --keyring keyring
ceph-mon -f -i a &
ceph osd new "$osd" >/dev/null
ceph-osd -i 0 --mkfs --osd-uuid "$osd"
ceph-osd -f -i 0 &
until ceph osd stat | grep -q '1 up'; do sleep 0.3; done
radosgw-admin user create --uid=heddle --display-name=heddle \
    --access-key="$S3_ACCESS_KEY" --secret-key="$S3_SECRET_KEY" >/dev/null
radosgw -f -n client.rgw &
gateway=$!
# The one request that makes the bucket, signed by hand (signature version 2).
make_bucket() {
    local date signature
    date=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S +0000')
    signature=$(printf 'PUT\n\n\n%s\n/%s' "$date" "$S3_BUCKET" |
        openssl dgst -sha1 -hmac "$S3_SECRET_KEY" -binary | base64)
    curl -sf -o /dev/null -X PUT -H "Date: $date" \
        -H "Authorization: AWS $S3_ACCESS_KEY:$signature" "http://127.0.0.1:7480/$S3_BUCKET"
}
until make_bucket; do sleep 0.5; done
touch ready
echo "ready: bucket $S3_BUCKET"
trap 'kill $(jobs -p)' TERM INT
wait $gateway
