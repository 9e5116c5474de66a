#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Holds docs/openapi.yaml and the control socket to each other: openapi.py MONITOR PAYLOAD.

Each path and method of the file is served, in its phase and in no other; each answer has the fields
of its schema, no more and no fewer, of their types; each field of a body is taken with each value
that the schema allows, and refused outside of it; nothing else is served. The payload is a guest
that waits. Exit status 77 where something needed is not there.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

try:
    import yaml
except ImportError:
    print("skipped: python3-yaml is not installed")
    sys.exit(77)

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
DEADLINE_S = 30
METHODS = ("GET", "PUT", "PATCH", "POST", "DELETE")
BALLOON = {"amount_mib": 0, "deflate_on_oom": True, "stats_polling_interval_s": 1, "free_page_hinting": True}
failures = []


def fail(what):
    failures.append(what)
    print("FAILED:", what)


def expect(holds, what):
    if not holds:
        fail(what)
    return holds


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE_S)
        self.unix_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(DEADLINE_S)
        self.sock.connect(self.unix_path)


class Monitor:
    """One `aerostat run --no-start`, in a folder with what the examples of the file name."""

    def __init__(self, monitor, payload):
        self.folder = tempfile.mkdtemp(prefix="aerostat-openapi-")
        os.symlink(payload, os.path.join(self.folder, "vmlinux"))
        with open(os.path.join(self.folder, "initramfs.cpio.gz"), "w") as f:
            f.write("none")
        self.sock = os.path.join(self.folder, "api.sock")
        here = {**os.environ, "AEROSTAT_RUNTIME_DIR": os.path.join(self.folder, "run")}
        self.process = subprocess.Popen([monitor, "run", "--no-start", "--api-sock", self.sock], cwd=self.folder, env=here,
                                        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.await_socket()

    def await_socket(self):
        end = time.monotonic() + DEADLINE_S
        while True:
            try:
                return self.ask("GET", "/version")
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.002)

    def ask(self, method, path, body=None):
        """Status, parsed body (None without one, text where it is no JSON)."""
        connection = UnixConnection(self.sock)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        text = answer.read().decode()
        is_json = answer.getheader("Content-Type", "").startswith("application/json")
        connection.close()
        return answer.status, (json.loads(text) if is_json else text) if text else None

    def start(self):
        for path, body in (("/boot-source", {"kernel_image_path": "vmlinux"}), ("/balloon", BALLOON),
                           ("/metrics", {"metrics_path": "metrics.file"})):
            expect(self.ask("PUT", path, body)[0] == 204, f"the description of the started machine: {path}")
        expect(self.ask("PUT", "/actions", {"action_type": "InstanceStart"})[0] == 204, "the start")
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=DEADLINE_S)
        shutil.rmtree(self.folder)


class Spec:
    def __init__(self, path):
        with open(path) as f:
            self.root = yaml.safe_load(f)

    def resolve(self, node):
        while "$ref" in node:
            at = self.root
            for key in node["$ref"].lstrip("#/").split("/"):
                at = at[key]
            node = at
        return node

    def operations(self):
        for path, item in self.root["paths"].items():
            for method, operation in item.items():
                yield method.upper(), path, operation

    def schema_of(self, node):
        node = self.resolve(node)
        content = node.get("content", {}).get("application/json")
        return self.resolve(content["schema"]) if content else None

    def body_of(self, operation):
        return self.schema_of(operation["requestBody"]) if "requestBody" in operation else None


def routes_of_the_source():
    """The tables of vmm/api/routes.c: what is served, and what is named as missing."""
    with open(os.path.join(TOP, "vmm/api/routes.c")) as f:
        text = f.read()
    served = set(re.findall(r'^    \{"([A-Z]+)", "(/[^"]*)",', text, re.M))
    missing = set(re.findall(r'^    \{"(/[^"]*)", "[^"]*",', text, re.M))
    return served, missing


def check_routes(spec):
    served, missing = routes_of_the_source()
    in_file = {(method, path) for method, path, _ in spec.operations()}
    expect(len(served) > 0 and len(missing) > 0, "no routes were found in vmm/api/routes.c")
    for method, path in served - in_file:
        fail(f"{method} {path} is served, and not in the file")
    for method, path in in_file - served:
        fail(f"{method} {path} is in the file, and not served")
    named = {re.sub(r"\{[^}]*\}$", "", path) for path in spec.root["x-not-supported"]}
    expect(named == missing, f"x-not-supported: {sorted(named)} are not {sorted(missing)}")


JSON_TYPES = {"integer": int, "string": str, "boolean": bool, "object": dict, "array": list}


def check_value(spec, schema, value, where):
    """An answer's value has its schema's type, and an object all of its schema's fields."""
    schema = spec.resolve(schema)
    if value is None:
        expect(schema.get("nullable"), f"{where}: null")
        return
    kind = schema.get("type")
    if kind is None:
        expect("enum" in schema and value in schema["enum"], f"{where}: {value!r} has no type in the file")
        return
    of_type = isinstance(value, JSON_TYPES[kind]) and (kind != "integer" or not isinstance(value, bool))
    if not expect(of_type, f"{where}: {value!r} is no {kind}"):
        return
    if "enum" in schema:
        expect(value in schema["enum"], f"{where}: {value!r} is not in the enum")
    if "maxItems" in schema:
        expect(len(value) <= schema["maxItems"], f"{where}: more items than the file has")
    if kind == "object" and "properties" in schema:
        check_fields(spec, schema, value, where)


def check_fields(spec, schema, value, where):
    properties = schema["properties"]
    expect(schema.get("additionalProperties") is False, f"{where}: the file allows any other field")
    for name in value:
        if expect(name in properties, f"{where}: the answer has {name}, the file has not"):
            check_value(spec, properties[name], value[name], f"{where}.{name}")
    for name, field in properties.items():
        field = spec.resolve(field)
        must = not field.get("x-optional") and not field.get("writeOnly")
        expect(name in value or not must, f"{where}: the file has {name}, the answer has not")
        expect(not (field.get("writeOnly") and name in value), f"{where}: {name} is writeOnly and in the answer")


def check_fault(spec, answer, where, not_like="Invalid request method"):
    status, body = answer
    check_value(spec, {"$ref": "#/components/schemas/Error"}, body, where)
    message = body.get("fault_message", "") if isinstance(body, dict) else ""
    expect(status == 400 and not_like not in message, f"{where}: {status} {message}")
    return message


def good_values(spec, field):
    field = spec.resolve(field)
    values = [field[key] for key in ("example", "default", "minimum") if key in field]
    values += field.get("enum", [])
    if field.get("type") == "boolean" and "is not supported" not in field.get("description", ""):
        values += [True, False]
    if field.get("nullable"):
        values.append(None)
    if "properties" in field:
        values.append(least_body(spec, field))
        values.append({name: good_values(spec, inner)[0] for name, inner in field["properties"].items()})
    return values or ["x"]


def bad_values(field):
    kind = field.get("type")
    values = [v for t, v in (("integer", 1), ("string", "x"), ("boolean", True), ("array", [1])) if t != kind]
    if kind == "object":
        values.append({"a": 1})
    if kind == "integer":
        values += [1.5, field["minimum"] - 1, field["maximum"] + 1]
    if "enum" in field and kind == "string":
        values.append("no such word")
    if field.get("minLength"):
        values.append("")
    if not field.get("nullable"):
        values.append(None)
    return values


def least_body(spec, schema):
    return {name: good_values(spec, schema["properties"][name])[0] for name in schema.get("required", [])}


class Trial:
    """Where a request can be tried: a new machine each time before the start, one after it."""

    def __init__(self, new_monitor, running, operation):
        self.new_monitor, self.running, self.operation = new_monitor, running, operation

    def ask(self, method, path, body):
        if self.operation["x-phase"] == "after":
            return self.running.ask(method, path, body)
        with self.new_monitor() as monitor:
            if self.operation.get("x-balloon"):
                monitor.ask("PUT", "/balloon", BALLOON)
            if path == "/actions" and body and body.get("action_type") != "Stop":
                monitor.start()
                if body == {"action_type": "InstanceStart"}:
                    return 204, None
            return monitor.ask(method, path, body)


def is_understood(answer):
    """The payload has no driver for the keyboard, nor for hinting: right, but nobody listens."""
    return "no driver" in str(answer)


def check_bodies(spec, trial, method, path, schema):
    least = least_body(spec, schema)
    is_patch = "minProperties" in schema
    for name, field in schema["properties"].items():
        field = spec.resolve(field)
        for value in good_values(spec, field):
            status, answer = trial.ask(method, path, {**least, name: value})
            understood = is_understood(answer) or is_patch and value is None and "changes nothing" in str(answer)
            expect(status == 204 or understood, f"{method} {path} {name}={value!r}: {status} {answer}")
        if "maximum" in field:
            # Something else may be against it: a balloon larger than the memory, for one.
            answer = trial.ask(method, path, {**least, name: field["maximum"]})[1]
            expect("maximum" not in str(answer), f"{method} {path} {name}={field['maximum']}: {answer}")
        for value in bad_values(field):
            if not (is_patch and value is None):
                check_fault(spec, trial.ask(method, path, {**least, name: value}), f"{method} {path} {name}={value!r}")
    for name in schema.get("required", []):
        less = {k: v for k, v in least.items() if k != name}
        message = check_fault(spec, trial.ask(method, path, less), f"{method} {path} without {name}")
        expect("is missing" in message, f"{method} {path} without {name}: {message}")
    message = check_fault(spec, trial.ask(method, path, {**least, "no_such_key": 1}), f"{method} {path} no_such_key")
    expect("unknown key" in message, f"{method} {path} with an unknown key: {message}")


def check_answer(spec, monitor, method, path, operation):
    status, body = monitor.ask(method, path, None)
    schema = spec.schema_of(operation["responses"]["200"])
    if schema is None:
        expect(status == 200 and isinstance(body, str) and body != "", f"{method} {path}: {status}")
    elif expect(status == 200, f"{method} {path}: {status} {body}"):
        check_value(spec, schema, body, f"{method} {path}")
    check_fault(spec, monitor.ask(method, path, {}), f"{method} {path} with a body")
    for parameter in operation.get("parameters", []):
        field = parameter["schema"]
        for value, good in ((field["minimum"], 200), (field["minimum"] - 1, 400), (field["maximum"] + 1, 400)):
            got = monitor.ask(method, f"{path}?{parameter['name']}={value}", None)[0]
            expect(got == good, f"{path}?{parameter['name']}={value}: {got}")


def check_phase(spec, fresh, running, method, path, operation):
    """In the wrong phase the refusal says so, and never that there were no such request."""
    body = least_body(spec, spec.body_of(operation)) if spec.body_of(operation) else None
    phase = operation["x-phase"]
    for monitor, wrong, word in ((fresh, phase == "after", "before starting"),
                                 (running, phase == "before", "after starting")):
        if wrong:
            message = check_fault(spec, monitor.ask(method, path, body), f"{method} {path} in the wrong phase")
            expect(word in message, f"{method} {path} in the wrong phase: {message}")
    if operation.get("x-balloon") and phase != "after":
        message = check_fault(spec, fresh.ask(method, path, body), f"{method} {path} without a balloon")
        expect("no balloon" in message, f"{method} {path} without a balloon: {message}")


def check_others(spec, monitor):
    """No other method, no other path."""
    served = {(method, path) for method, path, _ in spec.operations()}
    for path in spec.root["paths"]:
        for method in METHODS:
            for at in ([] if (method, path) in served else [path]) + [path.rstrip("/") + "/no-such-path"]:
                status, body = monitor.ask(method, at)
                expect(status == 400 and body["fault_message"].startswith("Invalid request method and/or path"),
                       f"{method} {at}: {status} {body}")
    for path in spec.root["x-not-supported"]:
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            message = check_fault(spec, monitor.ask(method, re.sub(r"\{[^}]*\}", "x", path)), f"{method} {path}")
            expect("not supported by this version of Aerostat" in message, f"{method} {path}: {message}")


def check_all(spec, new_monitor):
    with new_monitor() as fresh, new_monitor().start() as running:
        for method, path, operation in spec.operations():
            check_phase(spec, fresh, running, method, path, operation)
            schema = spec.body_of(operation)
            if "200" in operation["responses"]:
                for monitor in (fresh, running):
                    if monitor is running or operation["x-phase"] == "any" and not operation.get("x-balloon"):
                        check_answer(spec, monitor, method, path, operation)
            elif schema is not None:
                check_bodies(spec, Trial(new_monitor, running, operation), method, path, schema)
            else:
                status, body = running.ask(method, path)
                expect(status == 204 or is_understood(body), f"{method} {path}: {status} {body}")
        check_others(spec, fresh)
        check_others(spec, running)


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        print("skipped: /dev/kvm cannot be opened")
        sys.exit(77)
    spec = Spec(os.path.join(TOP, "docs/openapi.yaml"))
    check_routes(spec)
    check_all(spec, lambda: Monitor(os.path.abspath(sys.argv[1]), os.path.abspath(sys.argv[2])))
    operations = len(list(spec.operations()))
    print(f"{operations} operations, {len(failures)} differences")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
