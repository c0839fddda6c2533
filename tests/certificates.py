"""A certificate that signs pictures or speaks TLS, and the authority that vouches for it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

KINDS = {
    "P-256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "P-384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate,
    "RSA": lambda: rsa.generate_private_key(65537, 2048),
}


@dataclass(frozen=True)
class Identity:
    """All as PEM."""

    chain: bytes
    key: bytes
    authority: bytes

    def write(self, folder: Path) -> dict[str, Path]:
        """Puts it into a folder; returns the settings that name it."""
        cert, key = folder / "chain.pem", folder / "key.pem"
        cert.write_bytes(self.chain)
        key.write_bytes(self.key)
        return {"c2pa_cert": cert, "c2pa_key": key}


def write_tls(folder: Path, *names: str) -> dict[str, dict[str, Path]]:
    """Certificates for TLS of these names, of one authority, as files: `ca`, `cert` and `key` of each name."""
    authority, written = KINDS["P-256"](), {}
    root = (
        _certificate("An authority", authority, "An authority", authority, 30)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
    ).sign(authority, SHA256())
    for name in names:
        own = KINDS["P-256"]()
        leaf = _certificate(name, own, "An authority", authority, 30).add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False
        )
        pem = {
            "ca": root.public_bytes(Encoding.PEM),
            "cert": leaf.sign(authority, SHA256()).public_bytes(Encoding.PEM),
            "key": own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        }
        written[name] = {kind: folder / f"{name}-{kind}.pem" for kind in pem}
        for kind, data in pem.items():
            written[name][kind].write_bytes(data)
    return written


def identity(
    kind: str = "P-256", days: int = 30, purpose: x509.ObjectIdentifier = ExtendedKeyUsageOID.EMAIL_PROTECTION
) -> Identity:
    """A certificate for signing as C2PA wants it (specification 2.1, 14.5.1), valid for so many days from yesterday."""
    authority, own = KINDS["P-256"](), KINDS[kind]()
    root = (
        _certificate("An authority", authority, "An authority", authority, days)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(_usage(key_cert_sign=True), critical=True)
    ).sign(authority, SHA256())
    leaf = (
        _certificate("A studio", own, "An authority", authority, days)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(digital_signature=True), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    ).sign(authority, SHA256())
    pem = root.public_bytes(Encoding.PEM)
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Identity(leaf.public_bytes(Encoding.PEM) + pem, key, pem)


def _certificate(subject: str, key, issuer: str, issuer_key, days: int) -> x509.CertificateBuilder:
    begin = datetime.now(UTC) - timedelta(days=1)
    return (
        x509.CertificateBuilder(issuer_name=_name(issuer), subject_name=_name(subject))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )


def _name(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(oid, name) for oid in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME)])


def _usage(**usages: bool) -> x509.KeyUsage:
    names = (
        "digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement",
        "key_cert_sign", "crl_sign", "encipher_only", "decipher_only",
    )  # fmt: skip
    return x509.KeyUsage(**{name: usages.get(name, False) for name in names})
