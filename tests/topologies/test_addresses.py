"""Every way to a server: TLS, a unix socket, a user with the least rights, sentinels and clusters that ask for both."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from satchel.memory import Log, RedisSaver, RedisStore, ThreadId, open_store
from satchel.memory.doctor import examine
from satchel.memory.embedded import attach
from satchel.memory.errors import ConfigError, StoreUnreachable
from satchel.memory.records import Said
from tests.servers import Server, clustered, free_ports, running, watched

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.topologies.conftest import Certificates


debian = pytest.mark.debian


async def every_part(url: str) -> None:
    """The log, the checkpointer and LangGraph's store, small and large."""
    store = await open_store(url)
    log = await Log.open(store, ThreadId("t"))
    await log.append("say", [Said(text="hello")])
    await log.append("much", [Said(text=str(n)) for n in range(2_000)])
    await store.put_cursor(ThreadId("t"), {"a": b"1"}, drop=["b"])
    await log.settle()
    await log.close()
    assert await store.size(ThreadId("t")) > 0
    assert [thread.name for thread in await store.threads()] == ["t"]
    await store.delete(ThreadId("t"))
    await store.aclose()
    with RedisStore.from_url(url) as shelf, RedisSaver.from_url(url) as saver:
        for n in range(3):
            shelf.put(("a", str(n)), "k", {"n": n}, ttl=1)
        assert len(shelf.search(("a",))) == 3
        saved = {"v": 1, "id": "1", "ts": "", "channel_values": {"x": "1"}, "channel_versions": {"x": "1"}}
        where: Any = {"configurable": {"thread_id": "t", "checkpoint_ns": ""}}
        whole: Any = {**saved, "versions_seen": {}, "updated_channels": None}
        saver.put(where, whole, {"source": "input", "step": -1, "parents": {}}, {"x": "1"})
        assert saver.get_tuple(where) is not None
        saver.delete_thread("t")


@pytest.fixture(scope="module")
def secure(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Server]:
    """A server that speaks TLS on one port and asks for no certificate of the client."""
    with running(tmp_path_factory.mktemp("tls"), **tls(certificates)) as server:
        yield server


def tls(files: Certificates) -> dict[str, Any]:
    """A second port for TLS, below the plain one."""
    return {
        "tls_port": "0",
        "tls_cert_file": str(files.certificate),
        "tls_key_file": str(files.key),
        "tls_ca_cert_file": str(files.authority),
        "tls_auth_clients": "no",
    }


@debian
async def test_over_tls_every_part_works_and_doctor_says_so(secure: Server, certificates: Certificates) -> None:
    url = f"rediss://127.0.0.1:{encrypted(secure)}?ssl_ca_certs={certificates.authority}"
    await every_part(url)
    assert [one.found for one in await examine(url) if one.subject == "transport"] == ["one server, over TLS"]


def encrypted(server: Server) -> int:
    """The port for TLS, opened on first use."""
    port = int(server.raw.config_get("tls-port")["tls-port"])
    if not port:
        server.raw.config_set("tls-port", free_ports(1)[0])
        port = int(server.raw.config_get("tls-port")["tls-port"])
    return port


@debian
async def test_a_certificate_that_is_not_trusted_is_named(secure: Server, certificates: Certificates) -> None:
    for more in ("", f"?ssl_ca_certs={certificates.stranger}"):
        with pytest.raises(StoreUnreachable, match=r"certificate of the store .* is not trusted \(.*ssl_ca_certs=FILE"):
            await open_store(f"rediss://127.0.0.1:{encrypted(secure)}{more}")


@pytest.mark.parametrize("name", ["ssl_ca_certs", "ssl_certfile", "ssl_keyfile"])
async def test_a_file_of_the_address_that_is_not_there_is_named(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} of the address names '/nowhere', which cannot be read"):
        await open_store(f"rediss://user:secret@127.0.0.1:1?{name}=/nowhere")


@pytest.mark.parametrize("scheme", ["redis", "rediss", "redis+sentinel", "redis+cluster"])
@pytest.mark.parametrize("option", ["x=secret", "decode_responses=true", "max_connections=1", "secret"])
async def test_an_option_that_is_not_known_is_refused_at_once(scheme: str, option: str) -> None:
    with pytest.raises(ConfigError, match="not known; known are ssl_ca_certs") as caught:
        await open_store(f"{scheme}://127.0.0.1:1/name?{option}")
    assert "secret" not in str(caught.value)


async def test_options_of_tls_without_tls_are_refused_at_once() -> None:
    with pytest.raises(ConfigError, match="rediss://"):
        await open_store("redis://127.0.0.1:1?ssl_check_hostname=no")


@debian
async def test_a_server_that_asks_for_a_certificate_gets_one(secure: Server, certificates: Certificates) -> None:
    secure.raw.config_set("tls-auth-clients", "yes")
    url = f"rediss://127.0.0.1:{encrypted(secure)}?ssl_ca_certs={certificates.authority}"
    with pytest.raises(StoreUnreachable, match="ssl_certfile=FILE"):
        await open_store(url)
    await every_part(f"{url}&ssl_certfile={certificates.certificate}&ssl_keyfile={certificates.key}")
    secure.raw.config_set("tls-auth-clients", "no")


ROOT = Path(__file__).resolve().parents[2]
USER = "satchel:s%2Fcr%40t"
NEW = {"+client|setinfo", "+waitaof"}
"""What Redis 7.0 does not know."""


def rights() -> list[str]:
    """The rule of the README's user."""
    found = re.search(r"ACL SETUSER satchel (.*)", (ROOT / "memory" / "README.md").read_text())
    assert found
    return found[1].replace(">PASSWORD", ">s/cr@t").split()


def allow(server: Server) -> None:
    """Make that user on a server before 7.2."""
    server.raw.execute_command("ACL", "SETUSER", "satchel", *(word for word in rights() if word not in NEW))


async def least(url: str, server: Any, missing: set[str]) -> None:
    """A user with exactly these rights can do all, asks for nothing more, and its password is never shown."""
    await every_part(url)
    findings = await examine(url)
    assert [one.found for one in findings if one.subject == "user"] == ["the ACL user is satchel"]
    assert {one.subject for one in findings if one.state != "ok"} == missing
    assert "cr@t" not in str(findings)
    assert {line["object"] for line in server.acl_log()} <= ({"client|setinfo", "waitaof"} if missing else set())
    server.execute_command("ACL", "SETUSER", "satchel", "-evalsha")
    store = await open_store(url)
    with pytest.raises(StoreUnreachable, match="does not allow this user a command"):
        await store.acquire(ThreadId("t"), ttl=1)
    await store.aclose()


@debian
async def test_a_user_with_the_least_rights_can_do_all_on_redis(tmp_path: Path) -> None:
    with running(tmp_path, unixsocket=str(tmp_path / "s.sock")) as server:
        allow(server)
        await every_part(f"redis://{USER}@127.0.0.1:{server.port}")
        await least(f"unix://{tmp_path}/s.sock?username=satchel&password=s%2Fcr%40t", server.raw, {"intents"})


async def test_a_user_with_the_least_rights_can_do_all_on_the_bundled_valkey(tmp_path: Path) -> None:
    server = await attach(tmp_path)
    with Redis.from_url(server.url) as raw:
        raw.execute_command("ACL", "SETUSER", "satchel", *rights())
        raw.config_set("appendfsync", "everysec")  # it stands for a server that is not ours
        await least(f"{server.url}?username=satchel&password=s%2Fcr%40t", raw, set())
    server.release()


@debian
async def test_sentinels_and_clusters_take_a_user_too(tmp_path: Path) -> None:
    with watched(tmp_path / "watched") as at:
        for server in (at.primary, at.replica):
            allow(server)
        await every_part(at.url.replace("://", f"://{USER}@"))
    with clustered(tmp_path / "cluster") as nodes:
        for server in (*nodes.nodes, nodes.replica):
            allow(server)
        url = nodes.url.replace("://", f"://{USER}@")
        await every_part(url)
        found = [one.found for one in await examine(url) if one.subject == "role"]
        assert len(found) == 3
        assert "cr@t" not in str(found)


@debian
async def test_what_is_not_the_topology_of_the_address_is_named(tmp_path: Path) -> None:
    with running(tmp_path) as server, pytest.raises(StoreUnreachable, match="is no cluster; write redis://"):
        await open_store(f"redis+cluster://127.0.0.1:{server.port}")


@pytest.mark.parametrize(
    "url", ["redis+sentinel://", "redis+sentinel://h:1", "redis+cluster://:x", "redis+sentinel://u:se@cret@h:p/name"]
)
async def test_an_address_that_makes_no_sense_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        await open_store(url)
    assert "cret" not in str(caught.value)
