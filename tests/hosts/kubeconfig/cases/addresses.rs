//! Addresses: servers and proxies, of the file and of the environment.

use super::{Case, USER, cluster, config, text};

pub fn cases() -> Vec<Case> {
    let mut all = servers();
    all.extend(proxies());
    all.extend(environment());
    all
}

fn servers() -> Vec<Case> {
    let server =
        |name, server: &str| cluster(name, &format!("{{server: '{server}', certificate-authority-data: $CA}}"));
    vec![
        server("host name", "$LOCALHOST"),
        server("slash at the end", "$SERVER/"),
        server("host name in capitals", "https://LOCALHOST:$PORT"),
        server("path", "$SERVER/k8s/clusters/c-1"),
        server("path with a slash at the end", "$SERVER/k8s/"),
        server("query and fragment behind a path", "$SERVER/k8s?a=b#c"),
        server("scheme in capitals", "HTTPS://127.0.0.1:$PORT"),
        server("no scheme", "127.0.0.1:$PORT").only_ours("`server` without a scheme"),
        server("no scheme, without TLS", "127.0.0.1:$PORT")
            .plain()
            .only_theirs("`server` without a scheme", "it does not speak TLS"),
        server("other scheme", "tcp://127.0.0.1:$PORT").refused("its scheme is not http or https"),
        server("no host", "https://").refused("is no URL"),
        server("port that is none", "https://127.0.0.1:port").refused("its port is not a number"),
        server("port that is too large", "https://127.0.0.1:70000").refused("its port is not a number"),
        server("space", "https://a b").refused("is no URL"),
        server("user in the URL", "https://me:pa55@127.0.0.1:$PORT")
            .only_theirs("user and password in the URL of `server`", "credentials do not belong into the URL"),
        server("nobody listens", "https://127.0.0.1:1").refused("connection refused"),
        server("nobody listens on IPv6", "https://[::1]:1").refused("https://[::1]:1 does not answer"),
        server("name that nobody knows", "https://eu.example.invalid:1").refused("its name cannot be resolved"),
        server("http to a server with TLS", "http://127.0.0.1:$PORT").refused(""),
        server("https to a server without TLS", "https://127.0.0.1:$PORT").plain().refused("it does not speak TLS"),
        cluster("no server", "{certificate-authority-data: $CA}").refused("cluster \"k\": it has no server"),
        text("http", config("{server: $SERVER}", USER)).plain(),
    ]
}

fn proxies() -> Vec<Case> {
    let proxy = |name, url: &str| {
        cluster(name, &format!("{{server: $FARAWAY, certificate-authority-data: $CA, proxy-url: '{url}'}}"))
    };
    vec![
        proxy("proxy", "http://$PROXY"),
        proxy("proxy with a slash at the end", "http://$PROXY/"),
        proxy("proxy with credentials", "http://me:pa55@$PROXY"),
        proxy("proxy with escaped credentials", "http://m%40:p%3Aa%2555@$PROXY"),
        proxy("proxy with an at sign in the password", "http://me:p@55@$PROXY"),
        proxy("proxy with a user only", "http://me@$PROXY"),
        proxy("proxy with TLS", "https://$TLSPROXY"),
        proxy("proxy with TLS and credentials", "https://me:pa55@$TLSPROXY"),
        proxy("https to a plain proxy", "https://$PROXY")
            .refused("it does not speak TLS; a proxy that speaks plain HTTP itself has a proxy_url with http://"),
        proxy("http to a proxy with TLS", "http://$TLSPROXY").refused("the proxy did not connect"),
        proxy("https to a plain proxy that says nothing", "https://$SOCKS")
            .refused("a proxy that speaks plain HTTP itself"),
        proxy("SOCKS", "socks5://$SOCKS"),
        proxy("SOCKS with credentials", "socks5://me:p%4055@$SOCKS"),
        proxy("SOCKS to what is none", "socks5://$PROXY").refused("the proxy did not connect"),
        proxy("proxy where nobody listens", "http://127.0.0.1:1")
            .refused("the proxy did not connect (connection refused)"),
        proxy("proxy without a scheme", "$PROXY").refused("proxy-url:"),
        proxy("proxy of another scheme", "ftp://$PROXY").refused("proxy-url: expected http://, https:// or socks5://"),
        proxy("proxy that is no URL", "http://a b:3128").refused("proxy-url: it is no URL"),
        proxy("proxy with a bad port", "http://me:pa55@127.0.0.1:port").refused("proxy-url: its port is not a number"),
        cluster(
            "proxy to this machine",
            "{server: $SERVER, certificate-authority-data: $CA, proxy-url: 'http://$PROXY'}",
        ),
        cluster(
            "proxy of the file beside NO_PROXY",
            "{server: $FARAWAY, certificate-authority-data: $CA, proxy-url: 'http://$PROXY'}",
        )
        .variable("NO_PROXY", "*"),
        text("plain HTTP through a proxy", config("{server: $FARAWAY, proxy-url: 'http://$PROXY'}", USER))
            .plain()
            .only_ours("`http://` servers behind an HTTP proxy"),
        text("plain HTTP through SOCKS", config("{server: $FARAWAY, proxy-url: 'socks5://$SOCKS'}", USER)).plain(),
    ]
}

/// Who reaches a server that has no such name did so by a proxy; who does not was told to do without.
fn environment() -> Vec<Case> {
    const FARAWAY: &str = "{server: $FARAWAY, certificate-authority-data: $CA}";
    let proxied = |name, value| cluster(name, FARAWAY).variable("HTTPS_PROXY", value);
    let to = |name, server: &str, exceptions| {
        let cluster = cluster(name, &format!("{{server: '{server}', certificate-authority-data: $CA}}"));
        cluster.variable("HTTPS_PROXY", "http://$PROXY").variable("NO_PROXY", exceptions)
    };
    let name = |name, exceptions| to(name, "$FARAWAY", exceptions);
    let address = |name, exceptions| to(name, "$NOWHERE", exceptions);
    vec![
        proxied("HTTPS_PROXY", "http://$PROXY"),
        proxied("HTTPS_PROXY without a scheme", "$PROXY"),
        proxied("HTTPS_PROXY with credentials", "http://me:pa55@$PROXY"),
        proxied("HTTPS_PROXY with TLS", "https://$TLSPROXY"),
        proxied("HTTPS_PROXY of SOCKS", "socks5://$SOCKS"),
        proxied("HTTPS_PROXY of SOCKS that resolves names", "socks5h://$SOCKS"),
        cluster("https_proxy", FARAWAY).variable("https_proxy", "http://$PROXY"),
        proxied("upper case before lower case", "http://$PROXY").variable("https_proxy", "http://127.0.0.1:1"),
        cluster("HTTP_PROXY is not for https", FARAWAY)
            .variable("HTTP_PROXY", "http://$PROXY")
            .refused("its name cannot be resolved"),
        cluster("ALL_PROXY is none of Go's", FARAWAY)
            .variable("ALL_PROXY", "http://$PROXY")
            .refused("its name cannot be resolved"),
        cluster("never for this machine", "{server: $SERVER, certificate-authority-data: $CA}")
            .variable("HTTPS_PROXY", "http://127.0.0.1:1"),
        cluster("never for localhost", "{server: $LOCALHOST, certificate-authority-data: $CA}")
            .variable("HTTPS_PROXY", "http://127.0.0.1:1"),
        cluster("HTTPS_PROXY that is no URL", "{server: $NOWHERE, certificate-authority-data: $CA}")
            .variable("HTTPS_PROXY", "http://[bad")
            .refused("HTTPS_PROXY of the environment is not valid"),
        name("NO_PROXY with the name", "eu.example.invalid").refused("its name cannot be resolved"),
        name("NO_PROXY with the name in capitals and spaces", "other, EU.example.INVALID ")
            .refused("its name cannot be resolved"),
        name("NO_PROXY with the domain", "example.invalid").refused("its name cannot be resolved"),
        name("NO_PROXY with a dot first", ".example.invalid").refused("its name cannot be resolved"),
        name("NO_PROXY with a dot first and the name itself", ".eu.example.invalid"),
        name("NO_PROXY with a star first", "*.example.invalid").refused("its name cannot be resolved"),
        name("NO_PROXY with a star first and the name itself", "*.eu.example.invalid"),
        name("NO_PROXY with the end of the name", "ample.invalid"),
        name("NO_PROXY with the port", "eu.example.invalid:$PORT").refused("its name cannot be resolved"),
        name("NO_PROXY with another port", "eu.example.invalid:1"),
        name("NO_PROXY with a star and the port", "*.example.invalid:$PORT").refused("its name cannot be resolved"),
        name("NO_PROXY with everything", "a, *").refused("its name cannot be resolved"),
        name("NO_PROXY with spaces for commas", "a eu.example.invalid"),
        name("NO_PROXY with a star within", "eu.*.invalid"),
        address("NO_PROXY with the address", "255.255.255.255").refused("does not answer"),
        address("NO_PROXY with the address and the port", "255.255.255.255:$PORT").refused("does not answer"),
        address("NO_PROXY with the address and another port", "255.255.255.255:1"),
        address("NO_PROXY with the network", "10.0.0.0/8,255.0.0.0/8").refused("does not answer"),
        address("NO_PROXY with another network", "10.0.0.0/8"),
        address("NO_PROXY with the beginning of the address", "255."),
        cluster("no_proxy", FARAWAY)
            .variable("HTTPS_PROXY", "http://$PROXY")
            .variable("no_proxy", "example.invalid")
            .refused("its name cannot be resolved"),
    ]
}
