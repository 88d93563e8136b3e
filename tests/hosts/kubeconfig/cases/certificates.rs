//! What a server shows, and what the file trusts.

use super::{Case, KEYS, Made, cluster};

pub fn cases() -> Vec<Case> {
    let mut all = authorities();
    all.extend(shown());
    all
}

/// A case in which the file names these authorities.
fn trusting(name: &'static str, authorities: &[&Made]) -> Case {
    let bundle: String = authorities.iter().map(|one| one.pem()).collect();
    cluster(name, "{server: $SERVER, certificate-authority: ca.pem}").file("ca.pem", bundle)
}

fn authorities() -> Vec<Case> {
    let damaged = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let file = |name, content: &[u8]| {
        cluster(name, "{server: $SERVER, certificate-authority: ca.pem}").file("ca.pem", content)
    };
    let ca = KEYS.authority.pem();
    let mut latin = b"# M\xfcller\n".to_vec();
    latin.extend(ca.as_bytes());
    let (first, second) = ("QUFB", "QkJC");
    vec![
        trusting("authority in a file", &[&KEYS.authority]),
        cluster(
            "authority in a file of another directory",
            "{server: $SERVER, certificate-authority: sub/../other/ca.pem}",
        )
        .file("other/ca.pem", ca.as_bytes()),
        cluster("authority in base64 with line breaks", "{server: $SERVER, certificate-authority-data: \"$BROKEN\"}")
            .word("$BROKEN", broken(&ca, "\\n")),
        cluster("authority in base64 with CRLF", "{server: $SERVER, certificate-authority-data: \"$BROKEN\"}")
            .word("$BROKEN", broken(&ca, "\\r\\n")),
        cluster("authority in base64 with spaces", "{server: $SERVER, certificate-authority-data: \"$BROKEN\"}")
            .word("$BROKEN", broken(&ca, " "))
            .refused("certificate-authority-data has to be in base64"),
        cluster("authority in base64 without padding", "{server: $SERVER, certificate-authority-data: QUFBQQ}")
            .refused("has to be in base64"),
        cluster("authority in base64 of URLs", "{server: $SERVER, certificate-authority-data: QUF_}")
            .refused("has to be in base64"),
        cluster("authority in base64 of something else", "{server: $SERVER, certificate-authority-data: $X}")
            .word("$X", format!("{first}{second}"))
            .refused("certificate-authority: expected PEM text"),
        trusting("bundle", &[&KEYS.stranger, &KEYS.authority]),
        file("bundle with a damaged certificate", format!("{damaged}{ca}").as_bytes()),
        file("bundle with a key", format!("{}{ca}", KEYS.client.key().serialize_pem()).as_bytes()),
        file("text of another encoding around the authority", &latin),
        file("authority with CRLF", ca.replace('\n', "\r\n").as_bytes()),
        file("only a damaged certificate", damaged.as_bytes()).refused("a certificate in it is damaged"),
        file("key as authority", KEYS.client.key().serialize_pem().as_bytes()).refused(
            "certificate-authority: expected PEM text with \"-----BEGIN CERTIFICATE-----\", but it holds a private key",
        ),
        file("authority in DER", KEYS.authority.der()).refused("certificate-authority: expected PEM text"),
        file("empty authority", b"").refused("it is empty"),
        cluster("missing authority", "{server: $SERVER, certificate-authority: nowhere.pem}")
            .refused("nowhere.pem: there is no such file"),
        cluster("directory as authority", "{server: $SERVER, certificate-authority: .}").refused("it is a directory"),
        cluster(
            "authority in base64 and in a file",
            "{server: $SERVER, certificate-authority: ca.pem, certificate-authority-data: $CA}",
        )
        .file("ca.pem", ca.as_bytes())
        .refused("certificate-authority and certificate-authority-data exclude each other"),
        cluster("no authority", "{server: $SERVER}").refused("its certificate is signed by an unknown authority"),
        cluster("other authority", "{server: $SERVER, certificate-authority-data: $OTHERCA}")
            .refused("its certificate is signed by an unknown authority"),
        cluster("insecure", "{server: $SERVER, insecure-skip-tls-verify: true}"),
        cluster(
            "insecure with an authority",
            "{server: $SERVER, insecure-skip-tls-verify: true, certificate-authority-data: $CA}",
        )
        .refused("insecure-skip-tls-verify and certificate-authority exclude each other"),
        cluster(
            "insecure with a name",
            "{server: $SERVER, insecure-skip-tls-verify: true, tls-server-name: elsewhere}",
        ),
        cluster(
            "not insecure, with an authority",
            "{server: $SERVER, insecure-skip-tls-verify: false, certificate-authority-data: $CA}",
        ),
        cluster("name", "{server: $SERVER, certificate-authority-data: $CA, tls-server-name: kubernetes}"),
        cluster("address as name", "{server: $LOCALHOST, certificate-authority-data: $CA, tls-server-name: 127.0.0.1}"),
        cluster("other name", "{server: $SERVER, certificate-authority-data: $CA, tls-server-name: us-1}")
            .refused("its certificate is for another name (asked for us-1, it has localhost"),
        cluster("name that is none", "{server: $SERVER, certificate-authority-data: $CA, tls-server-name: 'a b'}")
            .refused("tls-server-name \"a b\" is no DNS name"),
    ]
}

/// A text in base64 with this in the middle.
fn broken(text: &str, with: &str) -> String {
    use base64::Engine as _;
    let text = base64::prelude::BASE64_STANDARD.encode(text);
    let (first, second) = text.split_at(64);
    format!("{first}{with}{second}{}", if with.contains('n') { with } else { "" })
}

fn shown() -> Vec<Case> {
    let keys = &*KEYS;
    vec![
        trusting("chain", &[&keys.authority]).shows(&[&keys.by_between, &keys.between]),
        trusting("chain without its middle", &[&keys.authority])
            .shows(&[&keys.by_between])
            .refused("unknown authority"),
        trusting("authority in the middle", &[&keys.between]).shows(&[&keys.by_between]),
        trusting("middle of the chain in the bundle", &[&keys.authority, &keys.between]).shows(&[&keys.by_between]),
        trusting("leaf as authority", &[&keys.server]),
        trusting("leaf of itself as authority", &[&keys.own]).shows(&[&keys.own]),
        trusting("leaf of itself marked CA as authority", &[&keys.own_marked]).shows(&[&keys.own_marked]),
        trusting("leaf as the authority of others", &[&keys.own]).shows(&[&keys.by_own]).refused("unknown authority"),
        trusting("server marked CA", &[&keys.authority]).shows(&[&keys.marked]),
        trusting("server marked CA by another authority", &[&keys.stranger])
            .shows(&[&keys.marked])
            .refused("unknown authority"),
        trusting("server marked CA behind another authority", &[&keys.authority])
            .shows(&[&keys.marked_by_between, &keys.between])
            .only_theirs("a server's certificate that is marked CA and has a chain", "is marked as an authority (CA)"),
        trusting("that very certificate as authority", &[&keys.marked_by_between])
            .shows(&[&keys.marked_by_between, &keys.between]),
        trusting("no names", &[&keys.authority])
            .shows(&[&keys.without_names])
            .refused("it has no names in its subjectAltName"),
        trusting("no names, as its own authority", &[&keys.without_names])
            .shows(&[&keys.without_names])
            .refused("it has no names in its subjectAltName"),
        trusting("other names", &[&keys.authority]).shows(&[&keys.other_name]).refused("it has elsewhere"),
        trusting("expired", &[&keys.authority]).shows(&[&keys.expired]).refused("its certificate is expired"),
        trusting("expired, as its own authority", &[&keys.expired])
            .shows(&[&keys.expired])
            .refused("its certificate is expired"),
        trusting("expired authority", &[&keys.old_authority])
            .shows(&[&keys.by_old])
            .refused("the authority that signed its certificate has expired"),
        trusting("certificate for clients", &[&keys.authority])
            .shows(&[&keys.for_clients])
            .refused("its certificate is not one for servers"),
    ]
}
