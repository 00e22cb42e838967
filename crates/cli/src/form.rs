//! Which form of output a command has, so that a wrong field is refused before anything is done.

use gofer_grammar::resources::{Event, Namespace, Pipeline, Run, Task};
use gofer_grammar::{Command, Logs, Object, Server, ServerConfig};
use gofer_output::View;
use gofer_views as views;

/// The fields of a command's JSON; `None` for commands that have none.
pub(crate) fn fields(command: &Command) -> Option<Vec<&'static str>> {
    match command {
        Command::Init(args) => Some(if args.list { of::<views::Page>() } else { of::<views::Done>() }),
        Command::Local(_) => Some(both::<views::LogLine, views::End>()),
        Command::Dev(_) | Command::Backend(_) | Command::Completion(_) => None,
        Command::Up(args) if args.start => None,
        Command::Up(_) => Some(of::<views::Plan>()),
        Command::Start(_) | Command::Retry(_) => {
            Some([of::<views::Run>(), both::<views::LogLine, views::End>()].concat())
        }
        Command::Watch(_) => Some(both::<views::Change, views::End>()),
        Command::Logs(args) | Command::Task(Task::Logs(args)) => Some(logs(args)),
        Command::Wait(_) | Command::Cancel(_) | Command::Ps(_) => Some(of::<views::Run>()),
        Command::Status(_) => Some(of::<views::Status>()),
        Command::Pipeline(command) => pipeline(command),
        Command::Run(command) => Some(run(command)),
        Command::Task(_) => Some(of::<views::TaskRun>()),
        Command::Object(command) => object(command),
        Command::Event(Event::List(_) | Event::Follow(_)) => Some(of::<views::Event>()),
        Command::Namespace(Namespace::Delete(_)) => Some(of::<views::Done>()),
        Command::Namespace(_) => Some(of::<views::NamespaceView>()),
        Command::Server(command) => server(command),
        Command::Doctor(_) => Some(of::<views::Diagnosis>()),
        Command::Explain(_) => Some(of::<views::Page>()),
        Command::Version => Some(of::<views::Program>()),
    }
}

fn pipeline(command: &Pipeline) -> Option<Vec<&'static str>> {
    match command {
        Pipeline::List(_) | Pipeline::Enable(_) | Pipeline::Disable(_) => Some(of::<views::Pipeline>()),
        Pipeline::Get(_) => Some(both::<views::Pipeline, views::Version>()),
        Pipeline::Apply(args) if args.start => None,
        Pipeline::Apply(_) | Pipeline::Plan(_) | Pipeline::Diff(_) => Some(of::<views::Plan>()),
        Pipeline::Validate(_) => Some(of::<views::Validation>()),
        Pipeline::Graph(_) => Some(of::<views::Graph>()),
        Pipeline::Versions(_) => Some(of::<views::Version>()),
        Pipeline::Delete(_) => Some(of::<views::Done>()),
        Pipeline::Export(_) => None,
    }
}

fn run(command: &Run) -> Vec<&'static str> {
    match command {
        Run::List(_) | Run::Get(_) | Run::Wait(_) | Run::Cancel(_) => of::<views::Run>(),
        Run::Start(_) | Run::Retry(_) => [of::<views::Run>(), both::<views::LogLine, views::End>()].concat(),
        Run::Watch(_) => both::<views::Change, views::End>(),
        Run::Logs(args) => logs(args),
        Run::Explain(_) => of::<views::Explained>(),
        Run::Approve(_) => of::<views::TaskRun>(),
    }
}

fn logs(args: &Logs) -> Vec<&'static str> {
    if args.delete { of::<views::Done>() } else { both::<views::LogLine, views::End>() }
}

/// Bytes that go to standard output are nothing else.
fn object(command: &Object) -> Option<Vec<&'static str>> {
    match command {
        Object::Get(args) if args.file.as_deref().is_some_and(|file| file.as_os_str() == "-") => None,
        Object::Delete(_) => Some(of::<views::Done>()),
        Object::Usage => Some(of::<views::ObjectUsage>()),
        Object::List(_) | Object::Get(_) | Object::Put(_) | Object::Cp(_) | Object::Stat(_) => {
            Some(of::<views::Object>())
        }
    }
}

fn server(command: &Server) -> Option<Vec<&'static str>> {
    match command {
        Server::Start(_) => None,
        Server::Config(ServerConfig::Check(_)) => Some(of::<views::Done>()),
        Server::Config(ServerConfig::Show(_)) => Some(of::<views::Setting>()),
        Server::Health => Some(of::<views::Status>()),
    }
}

fn of<T: View>() -> Vec<&'static str> {
    T::FIELDS.to_vec()
}

fn both<A: View, B: View>() -> Vec<&'static str> {
    let mut fields = of::<A>();
    fields.extend(B::FIELDS.iter().filter(|field| !A::FIELDS.contains(field)));
    fields
}
