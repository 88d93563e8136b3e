//! `rig`: starts and stops host clusters from the shell. All it knows is the command line; the work is the library's.

use std::{
    env,
    error::Error,
    io::{self, BufRead, BufReader, Read, Write},
    process::{Command, ExitCode, Stdio},
};

use rig::{Rig, RigBuilder};
use tokio::signal::unix::{SignalKind, signal};

const USAGE: &str = "\
Real Kubernetes host clusters, without Docker and without root.

usage: rig up [options]    start hosts, print `NAME KUBECONFIG` for each; Ctrl-C stops them
       rig down            stop what `rig up` started in this directory
       rig build           build the programs that hosts need, ahead of time
       rig tool NAME       print the path of kubectl, terraform or tofu, built if need be

options of up:
  --hosts N           number of hosts, named host-1, host-2 … (1)
  --names A,B         names of the hosts, instead
  --nodes N           nodes of each host (2)
  --node-cpu Q        CPUs of each node (16)
  --node-memory Q     memory of each node (64Gi)
  --without-nested    virtual clusters get no API server (for hundreds of them)
  --detach            return as soon as the hosts are usable; `rig down` stops them
";

/// Set for the process that `--detach` leaves behind.
const DETACHED: &str = "NESTED_RIG_DETACHED";

type Outcome = Result<(), Box<dyn Error>>;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let outcome = match arguments.as_slice() {
        ["up", options @ ..] => up(options),
        ["down"] => down(),
        ["build"] => rig::tools::build_host_programs().map_err(Into::into),
        ["tool", name] => tool(name),
        ["help" | "--help" | "-h"] => io::stdout().write_all(USAGE.as_bytes()).map_err(Into::into),
        _ => Err(format!("unknown command\n\n{USAGE}").into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rig: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What `up` was asked for.
struct Options {
    builder: RigBuilder,
    detach: bool,
}

impl Options {
    fn parse(options: &[&str]) -> Result<Self, Box<dyn Error>> {
        let mut builder = Rig::builder();
        let (mut cpu, mut memory) = ("16", "64Gi");
        let mut detach = env::var_os(DETACHED).is_some();
        let mut options = options.iter().copied();
        while let Some(option) = options.next() {
            let mut value = || options.next().ok_or_else(|| format!("{option} needs a value\n\n{USAGE}"));
            match option {
                "--hosts" => builder = builder.hosts(value()?.parse()?),
                "--names" => builder = builder.names(value()?.split(',')),
                "--nodes" => builder = builder.nodes(value()?.parse()?),
                "--node-cpu" => cpu = value()?,
                "--node-memory" => memory = value()?,
                "--without-nested" => builder = builder.without_nested(),
                "--detach" => detach = true,
                _ => return Err(format!("unknown option {option}\n\n{USAGE}").into()),
            }
        }
        Ok(Self { builder: builder.node_size(cpu, memory), detach })
    }
}

fn up(options: &[&str]) -> Outcome {
    let Options { builder, detach } = Options::parse(options)?;
    if env::var_os(DETACHED).is_some() {
        // Away from the terminal, whose end would be this process's end.
        rustix::process::setsid()?;
        return supervise(builder);
    }
    if !rig::running(&name()?)?.is_empty() {
        return Err("the hosts of this directory are up already; `rig down` (make rig-down) stops them".into());
    }
    if !detach {
        return supervise(builder);
    }
    // Here, because this process has the terminal to show progress on.
    rig::tools::build_host_programs()?;
    leave_behind(options)
}

/// Starts the hosts and holds them until a signal. While they start, a signal ends this process, and the guardian cleans up.
fn supervise(builder: RigBuilder) -> Outcome {
    let rig = builder.announce(&name()?).start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Before a word is said: whoever reads the last line may send the signal in the same moment.
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hang_up = signal(SignalKind::hangup())?;
        say_hosts(&rig)?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hang_up.recv() => {}
        }
        Ok(())
    })
}

fn say_hosts(rig: &Rig) -> io::Result<()> {
    let mut output = io::stdout();
    for host in rig.hosts() {
        writeln!(output, "{} {}", host.name(), host.kubeconfig().display())?;
    }
    if env::var_os(DETACHED).is_some() {
        writeln!(output)?;
    }
    Ok(())
}

/// Starts this program again in the background, passes on the lines of its hosts, and leaves it to run.
fn leave_behind(options: &[&str]) -> Outcome {
    let mut child = Command::new(env::current_exe()?)
        .arg("up")
        .args(options)
        .env(DETACHED, "1")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    for line in child.stdout.take().into_iter().flat_map(|pipe| BufReader::new(pipe).lines()) {
        let line = line?;
        if line.is_empty() {
            return Ok(());
        }
        writeln!(io::stdout(), "{line}")?;
    }
    let mut problem = String::new();
    if let Some(mut pipe) = child.stderr.take() {
        pipe.read_to_string(&mut problem)?;
    }
    Err(problem.trim_end().trim_start_matches("rig: ").into())
}

fn down() -> Outcome {
    for rig in rig::running(&name()?)? {
        rig.stop()?;
    }
    Ok(())
}

fn tool(name: &str) -> Outcome {
    let path = match name {
        "kubectl" => rig::tools::kubectl(),
        "terraform" => rig::tools::terraform(),
        "tofu" => rig::tools::tofu(),
        _ => return Err(format!("there is no tool {name}\n\n{USAGE}").into()),
    };
    Ok(writeln!(io::stdout(), "{}", path?.display())?)
}

/// Rigs are told apart by the directory that they were started in.
fn name() -> Result<String, io::Error> {
    Ok(env::current_dir()?.display().to_string())
}
