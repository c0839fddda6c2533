"""What callers name is called only where it does no harm."""

import asyncio
import socket
import ssl
import subprocess
import time
from ipaddress import ip_address

import pytest

from core import guard
from tests.receiver import listening

_getaddrinfo = socket.getaddrinfo


def resolve(url, **how):
    return asyncio.run(guard.resolve(url, **how))


def call(url, **how):
    return asyncio.run(guard.call("POST", url, {}, b"{}", **{"allow_private": True, **how}))


@pytest.fixture
def names(monkeypatch):
    """Names that resolve to what a test says, and the list of those that were looked up."""
    table, asked = {}, []

    def lookup(host, *args, **kwargs):
        asked.append(host)
        address = table.get(host, host)
        return _getaddrinfo(address.pop(0) if isinstance(address, list) else address, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)
    return table, asked


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.1.2.3", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0",
        "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "192.0.0.192", "192.0.0.9",
        "192.88.99.1", "192.31.196.1", "192.52.193.1", "192.175.48.1", "198.51.100.1", "203.0.113.1",
        "::1", "::", "fe80::1", "fc00::1", "fec0::1", "ff02::1", "2001:db8::1",
        "::ffff:127.0.0.1", "::ffff:8.8.8.8", "64:ff9b::7f00:1", "64:ff9b::808:808", "64:ff9b:1::7f00:1",
        "2002:7f00:1::", "2001:0:7f00:1::", "::127.0.0.1", "2002:808:808::", "2001:20::1", "3fff::1", "3fff:fff::1",
        "5f00::1", "100::1", "2620:4f:8000::1",
    ],
)  # fmt: skip
def test_addresses_that_are_not_public_are_refused(address):
    assert not guard.is_public(ip_address(address))
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(guard.Refused, match=r"public|resolved"):
        resolve(f"http://{host}/")


@pytest.mark.parametrize("address", ["8.8.8.8", "192.0.1.1", "2606:4700:4700::1111", "2001:4860:4860::8888"])
def test_public_addresses_are_not(address):
    assert guard.is_public(ip_address(address))


@pytest.mark.parametrize("host", ["2130706433", "0x7f.1", "127.1", "0177.0.0.1", "localhost", "127.0.0.1."])
def test_other_spellings_of_localhost_are_refused(host):
    with pytest.raises(guard.Refused):
        resolve(f"http://{host}/")


@pytest.mark.parametrize(
    ("url", "word"),
    [
        ("ftp://8.8.8.8/", "http"), ("file:///etc/passwd", "http"), ("gopher://8.8.8.8/", "http"),
        ("//8.8.8.8/", "http"), ("http://", "http"), ("http:///path", "http"), ("", "http"),
        ("http://user@8.8.8.8/", "password"), ("http://user:word@8.8.8.8/", "password"),
        ("http://8.8.8.8\\@127.0.0.1/", "printable"),
        ("http://8.8.8.8/\r\nX: y", "printable"), ("http://8.8.8.8/ a", "printable"), ("http://exämple.com/", "ASCII"),
        ("http://8.8.8.8:99999/", "URL"), ("http://[::1/", "URL"), (f"http://8.8.8.8/{'a' * 2048}", "2048"),
        ("http://8.8.8.8:22/", "port"), ("http://8.8.8.8:6379/", "port"), ("http://8.8.8.8:0/", "port"),
    ],
)  # fmt: skip
def test_urls_that_are_not_plain_web_addresses_are_refused(url, word):
    with pytest.raises(guard.Refused, match=word):
        resolve(url)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "http://user@127.0.0.1/", "http://127.0.0.1/\nX: y"])
def test_leave_to_call_private_addresses_is_no_leave_for_other_urls(url):
    with pytest.raises(guard.Refused):
        resolve(url, allow_private=True)


def test_a_name_with_one_private_address_among_others_is_refused(monkeypatch):
    both = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 80)) for address in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: both)
    with pytest.raises(guard.Refused, match="public"):
        resolve("http://both.test/")


def test_a_name_is_looked_up_once_and_the_address_found_is_the_one_called(names):
    table, asked = names
    with listening() as receiver:
        table["rebind.test"] = ["127.0.0.1", "127.0.0.9", "127.0.0.9"]
        reply = call(f"http://rebind.test:{receiver.port}/hook?a=1")
        assert reply.status == 200
        (received,) = receiver.received
    assert asked == ["rebind.test"]
    assert received.path == "/hook?a=1"
    assert received.headers["host"] == f"rebind.test:{receiver.port}"


def test_what_was_public_at_the_request_is_judged_again_when_it_is_called(names):
    table, _ = names
    with listening() as receiver:
        table["rebind.test"] = ["8.8.8.8", "127.0.0.1"]
        assert resolve("http://rebind.test/").address == "8.8.8.8"
        with pytest.raises(guard.Refused, match="public"):
            call("http://rebind.test/", allow_private=False)
        assert not receiver.received


def test_redirects_are_answers_and_not_followed():
    with listening() as elsewhere, listening() as receiver:
        receiver.statuses, receiver.headers = [302], {"Location": f"{elsewhere.url}/secret"}
        assert call(receiver.url).status == 302
        assert len(receiver.received) == 1
        assert not elsewhere.received


def test_of_a_body_no_more_is_read_than_asked_for():
    with listening() as receiver:
        receiver.endless = True
        reply = call(receiver.url, max_bytes=1000)
        assert len(reply.body) == 1001
        assert receiver.sent < 20 * 2**20
        receiver.endless = False
        assert call(receiver.url, max_bytes=1000).body == b"ok"


def test_a_slow_answer_ends_in_time(monkeypatch):
    monkeypatch.setattr(guard, "TIMEOUT_S", 0.5)
    with listening() as receiver:
        receiver.wait_s = 2
        started = time.monotonic()
        with pytest.raises(guard.Unreachable, match="within"):
            call(receiver.url)
        assert time.monotonic() - started < 1.5


def test_nobody_there_is_told():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(guard.Unreachable, match="connection"):
        call(f"http://127.0.0.1:{port}/")
    with pytest.raises(guard.Refused, match="resolved"):
        call("http://does-not-exist.invalid/")


def test_proxies_of_the_environment_are_not_asked(monkeypatch):
    with listening() as proxy, listening() as receiver:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        call(receiver.url)
        assert len(receiver.received) == 1
        assert not proxy.received


@pytest.fixture
def certificate(tmp_path, monkeypatch):
    """A TLS server's context for the name `pinned.test`, trusted by this process."""
    key, cert = tmp_path / "key.pem", tmp_path / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=pinned.test"]
    command += ["-addext", "subjectAltName=DNS:pinned.test", "-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    monkeypatch.setenv("SSL_CERT_FILE", str(cert))
    guard._trust.cache_clear()
    yield context
    guard._trust.cache_clear()


def test_the_tls_name_is_the_urls_and_the_certificate_is_checked_against_it(names, certificate):
    table, _ = names
    table |= {"pinned.test": "127.0.0.1", "other.test": "127.0.0.1"}
    told = []
    certificate.sni_callback = lambda connection, name, context: told.append(name)
    with listening(certificate) as receiver:
        assert call(f"https://pinned.test:{receiver.port}/").status == 200
        with pytest.raises(guard.Unreachable):
            call(f"https://other.test:{receiver.port}/")
        assert told == ["pinned.test", "other.test"]
        assert len(receiver.received) == 1
