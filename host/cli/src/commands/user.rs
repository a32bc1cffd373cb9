//! `loadhost user`: who may log in to a master's page and API.

use std::io::{BufRead, IsTerminal, Write as _};
use std::time::Duration;

use loadhost_model::text::{format_duration, parse_duration};
use loadhost_web::access::{Role, UserFile, UsersError};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};

use crate::args::{PasswordArgs, UserCommand, UsersFile};
use crate::exit_code::ExitCode;
use crate::failure::{Failure, Outcome};
use crate::output::print;

/// Of a line that is a password.
const MOST: u64 = 4096;

/// Changes or shows the file of users. A master that uses it notices by itself.
pub(crate) fn user(command: UserCommand) -> Outcome {
    match command {
        UserCommand::Add { name, role, password, file } => {
            let role = role_of(&role)?;
            let mut users = opened(UserFile::open_or_new(&file.path))?;
            users.add(&name, role, &given(&password)?).map_err(|error| refused(&error))?;
            saved(&mut users)?;
            print(&format!("{name} may log in, as {role}\n"));
        }
        UserCommand::Passwd { name, password, file } => {
            let mut users = opened(UserFile::open(&file.path))?;
            users.set_password(&name, &given(&password)?).map_err(|error| refused(&error))?;
            saved(&mut users)?;
            print(&format!("{name} has another password, and must log in again\n"));
        }
        UserCommand::Remove { name, file } => remove(&name, &file)?,
        UserCommand::List { file } => list(&opened(UserFile::open(&file.path))?),
        UserCommand::Token { name, role, expires, file } => {
            token(&name, role_of(&role)?, expires.as_deref(), &file)?;
        }
    }
    Ok(ExitCode::Ok)
}

fn role_of(text: &str) -> Result<Role, Failure> {
    text.parse().map_err(|error| {
        let message = format!("`--role {text}` is none");
        Failure::new(ExitCode::Configuration, message).because(&error).hint("")
    })
}

fn remove(name: &str, file: &UsersFile) -> Result<(), Failure> {
    let mut users = opened(UserFile::open(&file.path))?;
    let is_user = users.users().any(|(user, _)| user == name);
    let removed = if is_user { users.remove(name) } else { users.remove_token(name) };
    removed.map_err(|error| refused(&error))?;
    saved(&mut users)?;
    print(&format!("{} {name} is gone\n", if is_user { "user" } else { "token" }));
    Ok(())
}

fn list(users: &UserFile) {
    let mut text = String::new();
    for (name, role) in users.users() {
        text.push_str(&format!("user {name} · {role}\n"));
    }
    for token in users.tokens() {
        let until = token.expires.map(|at| format!(" · until {at}")).unwrap_or_default();
        text.push_str(&format!("token {} · {}{until}\n", token.name, token.role));
    }
    print(if text.is_empty() { "nobody may log in\n" } else { &text });
}

fn token(name: &str, role: Role, expires: Option<&str>, file: &UsersFile) -> Result<(), Failure> {
    let good_for = expires.map(parse_duration).transpose().map_err(|error| {
        Failure::new(ExitCode::Configuration, "`--expires` makes no sense").because(&error)
    })?;
    let mut users = opened(UserFile::open_or_new(&file.path))?;
    let until = good_for.map(instant).transpose()?;
    let token = users.add_token(name, role, until).map_err(|error| refused(&error))?;
    saved(&mut users)?;
    say!("give it as `--token` or LOADHOST_TOKEN; it is shown only now");
    print(&format!("{token}\n"));
    Ok(())
}

fn instant(good_for: Duration) -> Result<jiff::Timestamp, Failure> {
    jiff::Timestamp::now().checked_add(good_for).map_err(|error| {
        let message = format!("`--expires {}` is too far away", format_duration(good_for));
        Failure::new(ExitCode::Configuration, message).because(&error).hint("leave it out")
    })
}

fn opened(file: Result<UserFile, UsersError>) -> Result<UserFile, Failure> {
    file.map_err(|error| refused(&error))
}

fn saved(users: &mut UserFile) -> Result<(), Failure> {
    users.save().map_err(|error| {
        Failure::new(ExitCode::OutputUnwritable, "the file of users is as it was").because(&error)
    })
}

fn refused(error: &UsersError) -> Failure {
    Failure::new(ExitCode::Configuration, "the file of users is as it was").because(error).hint("")
}

/// From the standard input, or twice from the terminal, which does not show it.
fn given(password: &PasswordArgs) -> Result<String, Failure> {
    let stdin = std::io::stdin();
    if password.password_stdin {
        return line();
    }
    if !stdin.is_terminal() {
        return Err(Failure::new(
            ExitCode::Configuration,
            "there is no terminal to ask for a password",
        )
        .hint("give it on the standard input with `--password-stdin`"));
    }
    let first = unseen("password: ")?;
    if first == unseen("once more: ")? {
        return Ok(first);
    }
    Err(Failure::new(ExitCode::Configuration, "the two passwords differ").hint("try again"))
}

/// Asks the terminal, which shows nothing meanwhile.
fn unseen(question: &str) -> Result<String, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(ExitCode::Unexpected, "the terminal cannot be asked").because(&error)
    };
    let stdin = std::io::stdin();
    let usual = tcgetattr(&stdin).map_err(|error| failed(error.into()))?;
    let mut silent = usual.clone();
    silent.local_modes -= LocalModes::ECHO;
    tcsetattr(&stdin, OptionalActions::Flush, &silent).map_err(|error| failed(error.into()))?;
    // Only now: what is typed before is thrown away.
    eprint!("{question}");
    let _ = std::io::stderr().flush();
    let answer = line();
    tcsetattr(&stdin, OptionalActions::Flush, &usual).map_err(|error| failed(error.into()))?;
    say!();
    answer
}

fn line() -> Result<String, Failure> {
    let mut text = String::new();
    let mut input = std::io::Read::take(std::io::stdin().lock(), MOST);
    input.read_line(&mut text).map_err(|error| {
        Failure::new(ExitCode::Configuration, "the password cannot be read").because(&error)
    })?;
    Ok(text.trim_end_matches(['\r', '\n']).to_string())
}
