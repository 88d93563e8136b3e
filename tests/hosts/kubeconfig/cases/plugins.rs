//! Credential plugins.

use super::{CLUSTER, Case, config, text, user};

/// A plugin in a file of its own that notes what it was told.
fn plugin(answer: &str) -> String {
    format!("#!/bin/sh\nprintf %s \"$KUBERNETES_EXEC_INFO\" > \"$(dirname \"$0\")/info\"\n{answer}\n")
}

fn printing(version: &str, status: &str) -> String {
    let answer = format!(
        "{{\"apiVersion\":\"client.authentication.k8s.io/{version}\",\"kind\":\"ExecCredential\",\"status\":{status}}}"
    );
    plugin(&format!("cat <<'E'\n{answer}\nE"))
}

/// A user whose plugin is that script. `more` are further fields.
fn exec(name: &'static str, version: &str, more: &str, script: &str) -> Case {
    let fields = format!("apiVersion: client.authentication.k8s.io/{version}, command: ./plugin{more}");
    user(name, &format!("{{exec: {{{fields}}}}}")).file("plugin", script)
}

const NEVER: &str = ", interactiveMode: Never";
const TOKEN: &str = "{\"token\": \"t0k3n\"}";

pub fn cases() -> Vec<Case> {
    let mut all = versions();
    all.extend(running());
    all.extend(answers());
    all
}

fn versions() -> Vec<Case> {
    let v1 = printing("v1", TOKEN);
    let v1beta1 = printing("v1beta1", TOKEN);
    let cluster = "{server: $SERVER/k8s, certificate-authority-data: $CA, tls-server-name: kubernetes, disable-compression: true, \
                   extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: a, more: [1]}}]}";
    let told = "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never, provideClusterInfo: true}}";
    vec![
        exec("plugin of v1", "v1", NEVER, &v1),
        exec("plugin of v1 if a terminal is available", "v1", ", interactiveMode: IfAvailable", &v1),
        exec("plugin of v1 without a mode", "v1", "", &v1).refused("interactiveMode is missing"),
        exec("plugin that wants a terminal", "v1", ", interactiveMode: Always", &v1)
            .refused("the plugin wants a terminal"),
        exec("plugin with a mode that is none", "v1", ", interactiveMode: never", &v1)
            .refused("interactiveMode is \"never\""),
        exec("plugin of v1beta1", "v1beta1", NEVER, &v1beta1),
        exec("plugin of v1beta1 without a mode", "v1beta1", "", &v1beta1),
        exec("plugin of v1alpha1", "v1alpha1", NEVER, &printing("v1alpha1", TOKEN))
            .refused("api_version \"client.authentication.k8s.io/v1alpha1\" is none of"),
        user("plugin without a version", "{exec: {command: ./plugin, interactiveMode: Never}}")
            .file("plugin", v1.as_str())
            .refused("api_version is empty"),
        user(
            "plugin without a command",
            "{exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never}}",
        )
        .refused("command is empty"),
        exec("plugin that answers in another version", "v1", NEVER, &v1beta1).refused("it answered with api_version"),
        text("plugin that is told of the cluster", config(cluster, told)).file("plugin", v1.as_str()),
        text(
            "plugin that is told of a proxy",
            config("{server: $FARAWAY, certificate-authority: ca.pem, proxy-url: 'http://me:pa55@$PROXY'}", told),
        )
        .file("plugin", v1.as_str())
        .file("ca.pem", super::KEYS.authority.pem()),
        text(
            "plugin that is told of an insecure cluster",
            config("{server: $SERVER, insecure-skip-tls-verify: true}", told),
        )
        .file("plugin", v1.as_str()),
    ]
}

fn running() -> Vec<Case> {
    let v1 = printing("v1", TOKEN);
    let with = |fields: &str| {
        format!("{{exec: {{apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, {fields}}}}}")
    };
    let echo = "printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{\"token\":\"%s\"}}' \"$A$1\"";
    vec![
        user("arguments and environment", &with("command: ./plugin, args: [one two], env: [{name: A, value: first}, {name: A, value: t0k3n}]")).file("plugin", plugin(echo)),
        user("command in another directory", &with("command: sub/plugin")).file("sub/plugin", v1.as_str()),
        user("command on PATH", &with("command: sh, args: [$DIR/plugin]")).file("plugin", v1.as_str()),
        user("command with an absolute path", &with("command: /bin/sh, args: [$DIR/plugin]")).file("plugin", v1.as_str()),
        user("command in the working directory", &with("command: plugin")).file("plugin", v1.as_str()).refused("there is no such command"),
        user("PATH of the plugin's own", &with("command: plugin, env: [{name: PATH, value: $DIR}]")).file("plugin", v1.as_str()).refused("there is no such command"),
        user("missing command", &with("command: no-such-plugin, installHint: Get it from example.com")).refused("there is no such command on this machine; Get it from example.com"),
        user("missing command with a path", &with("command: ./nowhere")).refused("there is no such command"),
        user("directory as command", &with("command: ./sub")).file("sub/keep", "").refused("it is no program that this user may run"),
        user("command that is no program", &with("command: ./plugin")).file("plugin", "\u{1}\u{2}").refused("it cannot be started"),
        user("variable without a name", &with("command: ./plugin, env: [{value: a}]")).file("plugin", v1.as_str()).refused("an entry of env has no name"),
        user("plugin beside a token", "{token: t0k3n, exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./nowhere}}"),
        user("plugin beside a token file", "{tokenFile: token, exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./nowhere}}").file("token", "t0k3n"),
        user("plugin beside a password", "{username: me, password: pa55, exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./nowhere}}"),
        user("plugin beside a client certificate", "{client-certificate-data: $CERT, client-key-data: $KEY, exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./nowhere}}"),
        user("wrong plugin beside a token", "{token: t0k3n, exec: {apiVersion: client.authentication.k8s.io/v1, command: ./nowhere}}").refused("interactiveMode is missing"),
        user("plugin and auth-provider", "{auth-provider: {name: oidc}, exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: ./plugin}}").refused("the auth-provider"),
        text("plugin without TLS", config("{server: $SERVER}", &with("command: ./nowhere"))).plain(),
    ]
}

fn answers() -> Vec<Case> {
    let says = |name, answer: &str| exec(name, "v1", NEVER, &plugin(answer));
    let status = |name, status: &str| exec(name, "v1", NEVER, &printing("v1", status));
    let yaml = "cat <<'E'\n# ours\napiVersion: client.authentication.k8s.io/v1\nkind: ExecCredential\nstatus:\n  token: t0k3n\nE";
    let pair = |name, certificate: &'static str, key: &'static str| {
        let answer = format!(
            "printf '{{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"kind\":\"ExecCredential\",\"status\":{{'\n\
             printf '\"clientCertificateData\":\"%s\",' \"$(echo {certificate} | base64 -d | sed 's/$/\\\\n/' | tr -d '\\n')\"\n\
             printf '\"clientKeyData\":\"%s\"}}}}' \"$(echo {key} | base64 -d | sed 's/$/\\\\n/' | tr -d '\\n')\""
        );
        exec(name, "v1", NEVER, &plugin(&answer))
    };
    vec![
        says("answer in YAML", yaml),
        says("YAML with document marks", &yaml.replace("# ours", "---")),
        says("answer with more on standard error", &format!("echo 'logged in' >&2\n{yaml}")),
        says("no answer", "true").refused("it printed nothing"),
        says("garbage as an answer", "echo nonsense").refused("what it printed is no ExecCredential"),
        says("neither YAML nor JSON", "echo 'a: b: c'").refused("what it printed is neither YAML nor JSON"),
        says("binary answer", "printf '\\200\\201'").refused("what it printed is neither YAML nor JSON"),
        says("answer of another kind", &yaml.replace("ExecCredential", "Secret"))
            .refused("its kind says something else"),
        says("answer without a kind", &yaml.replace("kind: ExecCredential\n", "")),
        says("answer without a version", &yaml.replace("apiVersion: client.authentication.k8s.io/v1\n", ""))
            .refused("it answered with api_version"),
        says("answer without a status", "echo '{apiVersion: client.authentication.k8s.io/v1, kind: ExecCredential}'")
            .refused("its answer has no status"),
        status("empty status", "{}").refused("neither a token nor a client certificate"),
        status("number as the token of an answer", "{\"token\": 7}")
            .refused("status.token has to be a text, and is a number"),
        status("expired credential", "{\"token\": \"t0k3n\", \"expirationTimestamp\": \"2020-01-01T00:00:00Z\"}"),
        status(
            "credential with an end",
            "{\"token\": \"t0k3n\", \"expirationTimestamp\": \"2100-01-01T00:00:00+02:00\"}",
        ),
        status("end that is no time", "{\"token\": \"t0k3n\", \"expirationTimestamp\": \"soon\"}")
            .refused("its expirationTimestamp \"soon\" is not RFC 3339"),
        status("half a client certificate", "{\"token\": \"t0k3n\", \"clientKeyData\": \"x\"}")
            .refused("half a client certificate"),
        status("client certificate that is none", "{\"clientCertificateData\": \"x\", \"clientKeyData\": \"y\"}")
            .refused("its clientCertificateData: expected PEM text"),
        status("token with a line break in an answer", "{\"token\": \"t0\\nk3n\"}")
            .refused("the token has characters that no token has"),
        pair("client certificate of a plugin", "$CERT", "$KEY"),
        pair("client certificate and the key of another one", "$CERT", "$RSAKEY")
            .refused("its clientKeyData: the key is not the one of clientCertificateData"),
        says("plugin that fails", "echo 'please log in' >&2\nexit 3")
            .refused("it ended with exit status 3: please log in"),
        says("plugin that says nothing when it fails", "exit 1")
            .refused("it ended with exit status 1, and wrote nothing to standard error"),
        says("plugin that is killed", "kill -9 $$").refused("it was ended by a signal"),
        text(
            "second user's plugin",
            config(CLUSTER, "{token: t0k3n}") + "- {name: v, user: {exec: {command: ./nowhere}}}\n",
        ),
    ]
}
