//! Users: tokens, passwords, client certificates, whom to act as.

use super::{CLUSTER, Case, KEYS, config, keys, text, user};

pub fn cases() -> Vec<Case> {
    let mut all = tokens();
    all.extend(certificates());
    all.extend(impersonation());
    all
}

fn tokens() -> Vec<Case> {
    // Valid until 2100, and signed by nobody.
    let oidc = "{auth-provider: {name: oidc, config: {idp-issuer-url: 'https://idp.invalid', client-id: c, \
                id-token: eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln}}}";
    vec![
        user("token file", "{tokenFile: token}").file("token", "t0k3n"),
        user("token file in a directory of its own", "{tokenFile: sub/../sub/token}").file("sub/token", "t0k3n\n"),
        user("token file beside a token", "{token: fixed, tokenFile: $DIR/token}").file("token", " t0k3n \n"),
        user("missing token file beside a token", "{token: t0k3n, tokenFile: nowhere}"),
        user("empty token file beside a token", "{token: t0k3n, tokenFile: token}").file("token", "\n"),
        user("missing token file", "{tokenFile: nowhere}").refused("nowhere: there is no such file"),
        user("empty token file", "{tokenFile: token}").file("token", "").refused("token: it is empty"),
        user("directory as token file", "{tokenFile: .}").refused("it is a directory"),
        user("token with a line break", "{token: \"t0\\nk3n\"}").refused("the token has characters that no token has"),
        user("token file with a line break in it", "{tokenFile: token}")
            .file("token", "t0\nk3n")
            .refused("the token has characters"),
        user("token in base64", "{token: dDBrM24=}"),
        user("user name and password", "{username: me, password: pa55}"),
        user("user name without a password", "{username: me}"),
        user("password without a user name", "{password: pa55}").only_ours("no credential"),
        user("password with a colon and letters of another alphabet", "{username: me, password: 'pä:55'}"),
        user("token and user name", "{token: t0k3n, username: me, password: pa55}").refused("exclude each other"),
        user("token and password", "{token: t0k3n, password: pa55}").refused("exclude each other"),
        user("token file and user name", "{tokenFile: token, username: me}")
            .file("token", "t0k3n")
            .refused("exclude each other"),
        user("token file and password", "{tokenFile: token, password: pa55}").file("token", "t0k3n"),
        user("no credential", "{}").only_ours("no credential"),
        user("auth-provider of a cloud", "{auth-provider: {name: gcp}}")
            .refused("the auth-provider \"gcp\" is one that Kubernetes no longer has"),
        user("auth-provider without a name", "{auth-provider: {}}").refused("the auth-provider"),
        user("auth-provider beside a token", "{token: t0k3n, auth-provider: {name: azure}}")
            .refused("auth-provider \"azure\""),
        user("auth-provider oidc", oidc)
            .only_theirs("auth-provider `oidc`", "the auth-provider \"oidc\" is not supported"),
    ]
}

fn certificates() -> Vec<Case> {
    let encrypted = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let old_encrypted = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    let certificate = KEYS.client.pem();
    let key = KEYS.client.key().serialize_pem();
    let files = |name, certificate: &str, key: &str| {
        user(name, "{client-certificate: cert.pem, client-key: key.pem}")
            .file("cert.pem", certificate)
            .file("key.pem", key)
    };
    let parameters = keys::pem("EC PARAMETERS", &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07]);
    let mut latin = b"subject=M\xfcller\n".to_vec();
    latin.extend(certificate.as_bytes());
    vec![
        user("client certificate", "{client-certificate-data: $CERT, client-key-data: $KEY}"),
        user(
            "client certificate of RSA in the older form",
            "{client-certificate-data: $RSACERT, client-key-data: $RSAKEY}",
        ),
        user("key with the label of another form", "{client-certificate-data: $RSACERT, client-key-data: $WRONGLABEL}"),
        user("client certificate and token", "{client-certificate-data: $CERT, client-key-data: $KEY, token: t0k3n}"),
        user(
            "client certificate and token file",
            "{client-certificate-data: $CERT, client-key-data: $KEY, tokenFile: token}",
        )
        .file("token", "t0k3n"),
        user(
            "client certificate and password",
            "{client-certificate-data: $CERT, client-key-data: $KEY, username: me, password: pa55}",
        ),
        files("client certificate in files", &certificate, &key),
        files("chain with the client certificate", &format!("{certificate}{}", KEYS.authority.pem()), &key),
        files("certificate and key in both files", &format!("{key}{certificate}"), &format!("{certificate}{key}")),
        files("key behind its parameters", &certificate, &format!("{parameters}{key}")),
        files("PEM with CRLF", &certificate.replace('\n', "\r\n"), &key.replace('\n', "\r\n")),
        user("text of another encoding around PEM", "{client-certificate: cert.pem, client-key-data: $KEY}")
            .file("cert.pem", latin),
        user("certificate in a file and key in base64", "{client-certificate: cert.pem, client-key-data: $KEY}")
            .file("cert.pem", certificate.as_bytes()),
        user("certificate without a key", "{client-certificate-data: $CERT, token: t0k3n}")
            .refused("client-certificate needs client-key"),
        user("key without a certificate", "{client-key-data: $KEY, token: t0k3n}"),
        user("key without a certificate and nothing else", "{client-key-data: $KEY}").only_ours("no credential"),
        user(
            "certificate in base64 and in a file",
            "{client-certificate-data: $CERT, client-certificate: cert.pem, client-key-data: $KEY}",
        )
        .file("cert.pem", certificate.as_bytes())
        .refused("client-certificate and client-certificate-data exclude each other"),
        user(
            "key in base64 and in a file",
            "{client-certificate-data: $CERT, client-key: key.pem, client-key-data: $KEY}",
        )
        .file("key.pem", key.as_bytes())
        .refused("client-key and client-key-data exclude each other"),
        user("key of another certificate", "{client-certificate-data: $CERT, client-key-data: $RSAKEY}")
            .refused("client-key: the key is not the one of client-certificate"),
        files("encrypted key", &certificate, encrypted)
            .refused("client-key: expected PEM text with \"-----BEGIN PRIVATE KEY-----\", but the key is encrypted"),
        files("encrypted key in the older form", &certificate, old_encrypted).refused("but the key is encrypted"),
        files("certificate instead of a key", &certificate, &certificate).refused("but it holds a certificate"),
        files("key instead of a certificate", &key, &key).refused(
            "client-certificate: expected PEM text with \"-----BEGIN CERTIFICATE-----\", but it holds a private key",
        ),
        files("empty certificate", "", &key).refused("it is empty"),
        files("damaged key", &certificate, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
            .refused("the private key is damaged"),
        user("missing certificate file", "{client-certificate: nowhere.pem, client-key-data: $KEY}")
            .refused("nowhere.pem: there is no such file"),
        user("directory as key", "{client-certificate-data: $CERT, client-key: .}").refused("it is a directory"),
        user(
            "PEM instead of base64",
            "{client-certificate-data: '-----BEGIN CERTIFICATE-----', client-key-data: $KEY}",
        )
        .refused("and is PEM text: encode it"),
        user("base64 of nonsense", "{client-certificate-data: bm9uc2Vuc2U=, client-key-data: $KEY}")
            .refused("but it is something else"),
    ]
}

fn impersonation() -> Vec<Case> {
    vec![
        user("acting as a user", "{token: t0k3n, as: her}"),
        user(
            "acting as a user with everything",
            "{token: t0k3n, as: her, as-uid: u-1, as-groups: [a, b, a], as-user-extra: {scopes: [x, z], 'Acme.com/Proj%ct': [z]}}",
        ),
        user("acting as a user of another alphabet", "{token: t0k3n, as: 'system:serviceaccount:a:b'}"),
        user(
            "acting as one whose name has other letters",
            "{token: t0k3n, as: Jörg Müller, as-groups: [größe], as-user-extra: {größe: [ü]}}",
        ),
        user("extra that is no list", "{token: t0k3n, as: her, as-user-extra: {a: b}}")
            .refused("as-user-extra.a has to be a list"),
        user("token of other letters", "{token: tökén}"),
        user("number with a tag of texts as token", "{token: !!str 1234}"),
        user("groups without a user", "{token: t0k3n, as-groups: [a]}")
            .refused("as-uid, as-groups and as-user-extra need as"),
        user("uid without a user", "{token: t0k3n, as-uid: u-1}").refused("need as"),
        user("extra without a user", "{token: t0k3n, as-user-extra: {a: [b]}}").refused("need as"),
        user("empty groups without a user", "{token: t0k3n, as-groups: [], as-user-extra: {}}"),
        user("user with a line break", "{token: t0k3n, as: \"a\\nb\"}").refused("have characters that cannot be sent"),
        text("acting as a user without TLS", config("{server: $SERVER}", "{token: t0k3n, as: her}")).plain(),
        text(
            "no credential without TLS",
            config("{server: $SERVER}", "{token: t0k3n, client-certificate-data: $CERT, client-key-data: $KEY}"),
        )
        .plain(),
        text("wrong credential without TLS", config("{server: $SERVER}", "{token: t0k3n, username: me}"))
            .plain()
            .refused("exclude each other"),
        text("authority without TLS", config(CLUSTER, "{}")).plain(),
    ]
}
