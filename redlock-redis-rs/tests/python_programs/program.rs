use std::{
    env,
    process::{Command, Stdio},
    time::Duration,
};

use redlock_testkit::server::Server;
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
    time::timeout,
};

/// A Python program that has a `lock` of python-redis-lock on the resource `r`.
pub(crate) struct Program {
    process: Child,
    says: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// With these arguments for the lock besides client and name: `"expire=5"`.
    pub(crate) async fn start(server: &Server, arguments: &str) -> Self {
        let packages = env::var("REDLOCKS_PYTHON").unwrap_or_else(|_| panic!("{ADVICE}"));
        let mut command = Command::new("python3");
        command
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/python_programs/program.py"))
            .args([&server.port().to_string(), arguments])
            .env("PYTHONPATH", packages)
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        let mut process = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .unwrap_or_else(|error| panic!("python3 cannot be run ({error}): {ADVICE}"));
        let says = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut program = Self { process, says, answers };
        let version = program.ask("redis_lock.__version__").await;
        assert!(version.starts_with("'4."), "{version} is another format");
        program
    }

    /// Has it evaluate an expression, and waits for what comes of it.
    pub(crate) async fn ask(&mut self, expression: &str) -> String {
        self.tell(expression).await;
        self.answer().await
    }

    /// Has it evaluate an expression, which may take its time.
    pub(crate) async fn tell(&mut self, expression: &str) {
        let line = format!("{expression}\n");
        self.says.write_all(line.as_bytes()).await.unwrap_or_else(|_| panic!("{ADVICE}"));
    }

    /// What came of the expression before.
    pub(crate) async fn answer(&mut self) -> String {
        let line = timeout(PATIENCE, self.answers.next_line()).await;
        line.expect("the program is late").unwrap().unwrap_or_else(|| panic!("{ADVICE}"))
    }

    /// Ends it at once, as a crash would.
    pub(crate) async fn die(mut self) {
        self.process.kill().await.unwrap();
    }
}

/// Far more than anything takes that works.
const PATIENCE: Duration = Duration::from_secs(30);
const ADVICE: &str = "these tests need python3 with the packages redis and python-redis-lock in \
                      the folder that REDLOCKS_PYTHON names: run scripts/python-redis-lock";
