//! Files: how they are written, where they are, and which of several wins.

use super::{CLUSTER, Case, USER, config, text};

fn both() -> String {
    config(CLUSTER, USER)
}

/// The same in UTF-16.
fn wide(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    "\u{feff}".encode_utf16().chain(text.encode_utf16()).flat_map(unit).collect()
}

pub fn cases() -> Vec<Case> {
    let mut all = writing();
    all.extend(types());
    all.extend(several());
    all
}

fn writing() -> Vec<Case> {
    let json = r#"{"apiVersion": "v1", "kind": "Config", "current-context": "c",
	"contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
	"clusters": [{"name": "k", "cluster": {"server": "$SERVER", "certificate-authority-data": "$CA"}}],
	"users": [{"name": "u", "user": {"token": "t0k3n"}}]}"#;
    let anchors = "current-context: c\ncontexts: [{name: c, context: &c {cluster: &k k, user: &u u}}, {name: d, context: {<<: *c}}]\n\
                   clusters: [{name: *k, cluster: {server: $SERVER, certificate-authority-data: $CA}}]\n\
                   users: [{name: *u, user: &user {token: t0k3n}}, {name: v, user: *user}]\n";
    vec![
        text("a file as it mostly is", both()),
        text("JSON with tabs", json),
        text("CRLF", both().replace('\n', "\r\n")),
        text("BOM of UTF-8", format!("\u{feff}{}", both())),
        text("anchors, aliases and merge keys", anchors),
        text("document marks and comments", format!("# ours\n---\n{}...\n", both())),
        text("second document does not count", format!("{}---\ncurrent-context: other\n", both())),
        text("second document with the missing parts", "current-context: c\n---\nusers: []\n")
            .refused("has no context"),
        text("last of equal keys", format!("current-context: other\n{}", both())),
        text("neither kind nor version", both().replace("apiVersion: v1\nkind: Config\n", "")),
        text("other kind", both().replace("kind: Config", "kind: Pod"))
            .refused("it is no kubeconfig: its kind is \"Pod\""),
        text("other version", both().replace("apiVersion: v1", "apiVersion: v2")).refused("its apiVersion is \"v2\""),
        text("unknown fields", format!("{}unknown: {{a: [1, yes]}}\n", both())),
        text("unknown field of a user", config(CLUSTER, "{token: t0k3n, unknown: 7}")),
        text("field of another case", config("{Server: $SERVER, certificate-authority-data: $CA}", USER))
            .refused("has no server"),
        text("empty file", "").refused("has no current context"),
        text("only a comment", "# nothing\n").refused("has no current context"),
        text("garbage", "}{").refused("it is not YAML or JSON"),
        text("tab as indentation", "clusters:\n\t- name: k\n").refused("it is not YAML or JSON at line 2"),
        text("one text", "t0k3n").refused("it has to be a map, and is a text"),
        text("binary", [0x80, 0x81, 0, 1].as_slice()).refused("is not a text in UTF-8"),
        text("NUL", format!("{}\0", both())).refused("it is not YAML or JSON"),
        text("UTF-16, little end first", wide("# nothing\n", u16::to_le_bytes)).refused("has no current context"),
        text("UTF-16, big end first", wide("# nothing\n", u16::to_be_bytes)).refused("has no current context"),
    ]
}

fn types() -> Vec<Case> {
    let number = config(CLUSTER, "{token: 1234}");
    vec![
        text("number as token", number)
            .refused("users[0].user.token has to be a text, and is a number: put it in quotes"),
        text("number as name", both().replace("name: u", "name: 7")).refused("users[0].name has to be a text"),
        text("no as a name", both().replace("name: u", "name: no"))
            .refused("users[0].name has to be a text, and is true or false"),
        text("date as a name", both().replace("name: u", "name: 2024-01-01").replace("user: u", "user: '2024-01-01'")),
        text("yes as a flag", config("{server: $SERVER, insecure-skip-tls-verify: yes}", USER)),
        text("text as a flag", config("{server: $SERVER, insecure-skip-tls-verify: 'true'}", USER))
            .refused("has to be true or false"),
        text(
            "null counts as missing",
            config(
                "{server: $SERVER, certificate-authority-data: $CA, proxy-url: null, tls-server-name: ~}",
                "{token: t0k3n, username: null, exec: null, auth-provider: ~, as-groups: null}",
            ),
        ),
        text(
            "empty texts count as missing",
            config(
                "{server: $SERVER, certificate-authority-data: $CA, certificate-authority: '', proxy-url: '', tls-server-name: ''}",
                "{token: t0k3n, tokenFile: '', username: '', password: '', client-certificate: '', client-key-data: '', as: '', as-uid: ''}",
            ),
        ),
        text("map for a list", "users: {name: u}\n").refused("users has to be a list, and is a map"),
        text("list for a map", both().replace("{token: t0k3n}", "[t0k3n]"))
            .refused("users[0].user has to be a map, and is a list"),
        text("wrong type in another entry", format!("{}- {{name: v, user: {{token: [1]}}}}\n", both()))
            .refused("users[1].user.token has to be a text"),
        text("wrong type of no use", format!("{}preferences: 7\n", both()))
            .only_ours("fields that are of no use to a connection"),
        text("two users of one name", format!("{}- {{name: u, user: {{token: other}}}}\n", both()))
            .refused("users has two entries of the name \"u\""),
        text("two contexts of one name", both().replace("clusters:\n", "- {name: c}\nclusters:\n"))
            .refused("contexts has two entries"),
        text("unknown context", both().replace("current-context: c", "current-context: d"))
            .refused("has no context \"d\"; it has c"),
        text("context without a cluster", both().replace("cluster: k, ", "")).refused("context \"c\" names no cluster"),
        text("context with an unknown cluster", both().replace("cluster: k,", "cluster: l,"))
            .refused("has no cluster \"l\"; it has k"),
        text("context with an unknown user", both().replace("user: u}}", "user: v}}"))
            .refused("has no user \"v\"; it has u"),
        text("context without a user", both().replace(", user: u}}", "}}")).only_ours("no credential"),
        text("no current context", both().replace("current-context: c\n", ""))
            .refused("has no current context, and config_context does not choose one; it has c"),
        text("null as an entry", both().replace("users:\n", "users:\n- null\n")),
        text("namespace that is none", both().replace("user: u}}", "user: u, namespace: 'Not Valid!'}}")),
        text("empty entries", "current-context: c\ncontexts: [{name: c}]\n").refused("names no cluster"),
    ]
}

fn several() -> Vec<Case> {
    const TWO: (&str, &str) = ("KUBECONFIG", "$DIR/config:$DIR/second");
    let two = |name, first: &str, second: &str| text(name, first).file("second", second).variable(TWO.0, TWO.1);
    let context = "contexts: [{name: c, context: {cluster: k, user: u}}]\n";
    let cluster = "clusters: [{name: k, cluster: {server: $SERVER, certificate-authority-data: $CA}}]\n";
    let user = "users: [{name: u, user: {token: t0k3n}}]\n";
    vec![
        two(
            "empty current context in the first file",
            &format!("current-context: ''\n{context}"),
            &format!("current-context: c\n{cluster}{user}"),
        ),
        two(
            "first current context wins",
            &format!("current-context: c\n{context}{cluster}"),
            &format!("current-context: d\n{user}"),
        ),
        two(
            "first user wins, whole",
            &format!("current-context: c\n{context}{cluster}users: [{{name: u, user: {{token: first}}}}]\n"),
            "users: [{name: u, user: {token: second, as: her}}]\n",
        ),
        two(
            "first cluster wins, even if it is empty",
            &format!("current-context: c\n{context}clusters: [{{name: k, cluster: {{}}}}]\n{user}"),
            cluster,
        )
        .refused("has no server"),
        two("one file is missing", &both(), "").variable("KUBECONFIG", "$DIR/missing:$DIR/config"),
        two("one file is empty", "", &both()),
        two("one file is broken", &both(), "a: [").refused("/second: it is not YAML or JSON"),
        two("one file is of another kind", &both(), "kind: Pod\n").refused("/second: it is no kubeconfig"),
        two("one file named twice", &both(), "").variable("KUBECONFIG", "$DIR/config:$DIR/config"),
        two("empty parts of the list", &both(), "").variable("KUBECONFIG", ":$DIR/config::"),
        text("all files are missing", both())
            .variable("KUBECONFIG", "$DIR/a:$DIR/b")
            .refused("no host cluster is configured"),
        text("only empty parts", both())
            .file(".kube/config", both())
            .variable("KUBECONFIG", ":")
            .refused("no host cluster is configured"),
        text("file of the home directory", both())
            .without_config()
            .file(".kube/config", both())
            .variable("KUBECONFIG", ""),
        text("directory instead of a file", both()).variable("KUBECONFIG", "$DIR").refused("it is a directory"),
        text("file below a file", both())
            .variable("KUBECONFIG", "$DIR/config/config")
            .refused("a part of its path is no directory"),
        text("one file is a directory", both()).variable("KUBECONFIG", "$DIR/config:$DIR").refused("it is a directory"),
    ]
}
