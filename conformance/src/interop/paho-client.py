"""paho-mqtt, driven by JSON lines: one command a line on stdin, answers and messages on stdout.

Every command has a number `n`; its answer is {"n": n, "result": ...} or {"n": n, "error": text}.
A message that came is {"message": {...}, "client": name}.
"""
import base64
import hashlib
import json
import socket
import sys
import threading

import paho.mqtt.client as paho
from paho.mqtt.properties import Properties
from paho.mqtt.packettypes import PacketTypes

VERSIONS = {"3.1": paho.MQTTv31, "3.1.1": paho.MQTTv311, "5": paho.MQTTv5}
LIMIT = 15
clients = {}
output = threading.Lock()


def say(value):
    with output:
        sys.stdout.write(json.dumps(value) + "\n")
        sys.stdout.flush()


def on_message(client, name, message):
    payload = message.payload
    say({"client": name, "message": {
        "topicName": message.topic,
        "digest": "%d:%s" % (len(payload), hashlib.sha256(payload).hexdigest()),
        "qos": message.qos,
        "retain": bool(message.retain),
    }})


def open_client(transport, host, port, version, authority=None, clientId="", persistent=False,
                will=None, name=None):
    version = VERSIONS[version]
    options = {} if version == paho.MQTTv5 else {"clean_session": not persistent}
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, client_id=clientId, protocol=version,
                         userdata=name, transport=transport, reconnect_on_failure=False, **options)
    if authority is not None:
        client.tls_set(ca_certs=authority)
    connected, subscribed = threading.Event(), threading.Event()
    state = {"client": client, "subscribed": subscribed, "granted": None, "connack": None}

    def on_connect(_client, _userdata, _flags, reason, _properties):
        state["connack"] = str(reason)
        connected.set()

    def on_subscribe(_client, _userdata, _mid, reasons, _properties):
        state["granted"] = [reason.value for reason in reasons]
        subscribed.set()

    client.on_connect, client.on_subscribe, client.on_message = on_connect, on_subscribe, on_message
    if will is not None:
        client.will_set(will["topicName"], base64.b64decode(will["payload"]), will["qos"], will["retain"])
    more = {}
    if version == paho.MQTTv5:
        more["clean_start"] = not persistent
        if persistent:
            more["properties"] = Properties(PacketTypes.CONNECT)
            more["properties"].SessionExpiryInterval = 3600
    client.connect(host, port, **more)
    client.loop_start()
    if not connected.wait(LIMIT) or state["connack"] != "Success":
        raise RuntimeError("CONNACK: %s" % state["connack"])
    return state


def subscribe(name, topicFilters, qos, **options):
    state = clients[name] = open_client(name=name, **options)
    state["client"].subscribe([(topic_filter, qos) for topic_filter in topicFilters])
    if not state["subscribed"].wait(LIMIT):
        raise RuntimeError("no SUBACK")
    return state["granted"]


def publish(messages, **options):
    client = open_client(**options)["client"]
    for message in messages:
        payload = base64.b64decode(message["payload"])
        sent = client.publish(message["topicName"], payload, message["qos"], message["retain"])
        sent.wait_for_publish(LIMIT)
        if not sent.is_published():
            raise RuntimeError("not acknowledged")
    client.disconnect()
    client.loop_stop()


def disconnect(name):
    client = clients.pop(name)["client"]
    client.disconnect()
    client.loop_stop()


def cut(name):
    client = clients.pop(name)["client"]
    client.socket().shutdown(socket.SHUT_RDWR)
    client.loop_stop()


COMMANDS = {"subscribe": subscribe, "publish": publish, "disconnect": disconnect, "cut": cut}


def answer(command):
    n = command.pop("n")
    try:
        say({"n": n, "result": COMMANDS[command.pop("do")](**command)})
    except Exception as error:  # whatever it is, the test must be told
        say({"n": n, "error": "%s: %s" % (type(error).__name__, error)})


for line in sys.stdin:
    threading.Thread(target=answer, args=(json.loads(line),), daemon=True).start()
