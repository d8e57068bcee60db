"""Certificates that are made when the tests run."""

from __future__ import annotations

import datetime as dt
import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Certificates:
    """An authority, a certificate that it signed for 127.0.0.1 with its key, and an authority that signed nothing."""

    authority: Path
    certificate: Path
    key: Path
    stranger: Path


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    keys = {name: ec.generate_private_key(ec.SECP256R1()) for name in ("authority", "stranger", "certificate")}
    for name in keys:
        signer = "authority" if name == "certificate" else name
        (folder / f"{name}.pem").write_bytes(_signed(name, keys, signer))
    (folder / "key.pem").write_bytes(
        keys["certificate"].private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return Certificates(*(folder / f"{name}.pem" for name in ("authority", "certificate", "key", "stranger")))


def _signed(name: str, keys: dict[str, ec.EllipticCurvePrivateKey], signer: str) -> bytes:
    now = dt.datetime.now(dt.UTC)
    own = keys[name].public_key()
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, signer)]))
        .public_key(own)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=name == signer, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(own), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[signer].public_key()), critical=False)
    )
    if name != signer:
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        built = built.add_extension(here, critical=False)
    return built.sign(keys[signer], hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
