"""PEM texts of certificates, keys and authorities, checked before anything depends on them.

Each check says what is wrong, to be read after the name of what holds the text; empty when all is well.
`cryptography` takes long to import, and most manifests hold no certificate.
"""

from anygate.manifests.sensitive import Sensitive

_SHORTEST_RSA = 2048
_CURVES = ("secp256r1", "secp384r1", "secp521r1")


def check_authorities(bundle: bytes) -> str:
    """What is wrong with the certificates of authorities."""
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(bundle)
    except ValueError:
        return "holds no PEM certificate in ca.crt"
    return ""


def check_revoked(revoked: bytes) -> str:
    """What is wrong with a revocation list."""
    from cryptography import x509

    try:
        x509.load_pem_x509_crl(revoked)
    except ValueError:
        return "holds no PEM certificate in ca.crl"
    return ""


def check_pair(chain: Sensitive, key: Sensitive) -> str:
    """What is wrong with a certificate and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        certificates = x509.load_pem_x509_certificates(chain.reveal())
    except ValueError:
        return "holds no PEM certificate in tls.crt"
    try:
        private = load_pem_private_key(key.reveal(), None)
    except (ValueError, TypeError):
        return "holds no unencrypted PEM private key in tls.key"
    wanted = certificates[0].public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    held = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if wanted != held:
        return "holds a certificate and a key that do not belong together"
    return _check_strength(private)


def _check_strength(private: object) -> str:
    """Why Envoy would not load a key: BoringSSL takes RSA from 2048 bits on and three curves, tried on 1.40."""
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    if isinstance(private, rsa.RSAPrivateKey) and private.key_size < _SHORTEST_RSA:
        return f"holds an RSA key of {private.key_size} bits; Envoy takes {_SHORTEST_RSA} or more"
    if isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name not in _CURVES:
        return f"holds a key on the curve {private.curve.name}; Envoy takes P-256, P-384 and P-521"
    return ""
