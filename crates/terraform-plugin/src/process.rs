//! This process as Terraform's child: its command line, its signals, and when it ends.

use std::io::{self, Write};
use std::process::ExitCode;

use tokio::runtime::{Builder, Runtime};

use super::handshake::Settings;
use super::program::{Command, Program};
use super::registry::Registry;
use super::server::{Server, ServerError};
use super::{logs, panics};

/// The whole program: serves `registry` when Terraform has started us, runs a command when one is named, and else says what
/// this is.
pub fn main(program: Program, registry: impl FnOnce() -> Registry) -> ExitCode {
    program.announce();
    if let Some(settings) = Settings::from_environment(|name| std::env::var(name).ok()) {
        panics::log_panics();
        logs::start(&program);
        return match serve(&settings, registry) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => complain(&program, &error),
        };
    }
    let mut arguments = std::env::args_os().skip(1);
    let first = arguments.next().unwrap_or_default();
    if let Some(command) = program.commands.iter().find(|command| first == command.name) {
        return (command.run)(arguments.collect());
    }
    match (first.to_str(), arguments.next()) {
        (Some("--version" | "-V"), None) => print(&mut io::stdout(), &format!("{} {}", program.name, program.version)),
        (Some("--help" | "-h"), None) => print(&mut io::stdout(), &help(&program)),
        _ => {
            print(&mut io::stderr(), &introduction(&program));
            ExitCode::FAILURE
        }
    }
}

fn introduction(program: &Program) -> String {
    let Program { name, version, source, purpose, .. } = program;
    format!(
        "This is {name} {version}, a plugin that gives Terraform and OpenTofu {purpose}. They start it themselves, so there \
         is nothing to run here: name {source:?} under required_providers in your configuration, run terraform init (or \
         tofu init), and then plan and apply as usual. For an example see {name} --help."
    )
}

fn help(program: &Program) -> String {
    let Program { name, version, source, purpose, repository, commands, .. } = program;
    let line = |command: &Command| format!("  {:<16} {}\n", command.name, command.summary);
    let commands = match commands.is_empty() {
        true => String::new(),
        false => format!(
            "Commands, to run by hand (COMMAND --help says more):\n{}\n",
            commands.iter().map(line).collect::<String>()
        ),
    };
    format!(
        r#"{name} {version}

A plugin that gives Terraform and OpenTofu {purpose}.
Terraform starts this program itself. To use it, write

    terraform {{
      required_providers {{
        {provider} = {{ source = "{source}" }}
      }}
    }}

and run terraform init.

{commands}Options:
  -h, --help       this text
  -V, --version    the version

Logs: TF_LOG, TF_LOG_PROVIDER or {variable}, set to error, warn, info, debug or trace.
More: {repository}"#,
        provider = program.provider(),
        variable = logs::variable_of(program.provider()),
    )
}

fn print(to: &mut dyn Write, text: &str) -> ExitCode {
    if writeln!(to, "{text}").is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn complain(program: &Program, error: &(dyn std::error::Error + 'static)) -> ExitCode {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let text: Vec<_> = causes.map(ToString::to_string).collect();
    print(&mut io::stderr(), &format!("{}: {}", program.name, text.join(": ")));
    ExitCode::FAILURE
}

#[derive(Debug, thiserror::Error)]
enum ProcessError {
    #[error("cannot start")]
    Runtime(#[source] io::Error),
    #[error("cannot write the handshake to standard output")]
    Handshake(#[source] io::Error),
    #[error(transparent)]
    Server(#[from] ServerError),
}

fn serve(settings: &Settings, registry: impl FnOnce() -> Registry) -> Result<(), ProcessError> {
    if !settings.speaks_our_protocol() {
        tracing::error!("this Terraform does not speak plugin protocol 6; it needs to be 1.0 or newer");
    }
    let runtime = runtime().map_err(ProcessError::Runtime)?;
    let served = runtime.block_on(async {
        let server = Server::bind(settings)?;
        let shutdown = server.shutdown_token();
        // Listens from here on. After the handshake, Ctrl-C can come at any moment.
        let told_to_end = told_to_end();
        tokio::spawn(async move {
            told_to_end.await;
            shutdown.cancel();
        });
        let mut stdout = io::stdout();
        writeln!(stdout, "{}", server.handshake_line())
            .and_then(|()| stdout.flush())
            .map_err(ProcessError::Handshake)?;
        Ok(server.serve(registry()).await?)
    });
    // Whatever still runs has had its time.
    runtime.shutdown_background();
    served
}

/// Calls mostly wait for others, so a few threads serve many. Each provider alias is a process of its own.
fn runtime() -> io::Result<Runtime> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(4);
    Builder::new_multi_thread().worker_threads(threads).enable_all().build()
}

/// Completes when this process should end although nobody called Shutdown: it is terminated, or Terraform is gone.
///
/// Ctrl-C is not among them. The terminal sends it to Terraform as well, which then calls StopProvider.
#[cfg(unix)]
fn told_to_end() -> impl Future<Output = ()> {
    use tokio::signal::unix::{SignalKind, signal};
    let (interrupts, terminations) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async {
        let terminated = async {
            match terminations {
                Ok(mut signals) => signals.recv().await,
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminated => tracing::debug!("terminated"),
            () = nobody_reads_stdout() => tracing::debug!("Terraform is gone"),
        }
        drop(interrupts);
    }
}

/// Terraform reads our standard output as long as it lives. (A killed Terraform leaves Go's plugins running forever.)
#[cfg(unix)]
async fn nobody_reads_stdout() {
    use std::os::fd::AsFd;
    use tokio::io::Interest;
    use tokio::net::unix::pipe::Sender;
    let pipe = io::stdout().as_fd().try_clone_to_owned().and_then(Sender::from_owned_fd);
    match pipe {
        Ok(pipe) => drop(pipe.ready(Interest::ERROR).await),
        // Not a pipe: somebody attached by hand.
        Err(_) => std::future::pending().await,
    }
}

#[cfg(not(unix))]
async fn told_to_end() {
    loop {
        // Swallows Ctrl-C, for the same reason as above.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
