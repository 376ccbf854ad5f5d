//! What an app does by itself while it is served: it works on messages, is told of changed keys, and runs what is to be
//! run by the clock.
//!
//! Each trigger is a task on threads of their own, so that what takes long keeps no request waiting. Guests are entered
//! by whatever version of the app is there when their turn comes; what they are working on, they finish.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use parking_lot::Mutex;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use weft_app::trigger::schedule::Times;
use weft_app::{KeyValueTrigger, MessageTrigger, Name, ScheduleTrigger};
use weft_runtime::Program;
use weft_runtime::entry::Outcome;
use weft_runtime::entry::handler::{self, HandlerProgram};
use weft_runtime::entry::http::Serving;
use weft_services::messaging::{self, Taken};
use weft_stores::keyvalue::{Store, Watching};
use weft_stores::queue::{Delivery, Queue, Taking};

use crate::changed_keys::Telling;
use crate::output::Output;
use crate::report::Report;

/// After which time something is tried again that has nothing to do with a message: a queue that does not work.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);

/// The components that triggers enter, in the version of the app that is served now.
#[derive(Debug, Default)]
pub(crate) struct Entered {
    pub(crate) messages: HashMap<Name, HandlerProgram>,
    /// Those that are told of changed keys, each with which of the components in it that is.
    pub(crate) keys: HashMap<Name, (HandlerProgram, usize)>,
    pub(crate) schedules: HashMap<Name, (Program, Serving)>,
}

/// The same, for everybody who asks.
#[derive(Debug, Clone, Default)]
pub(crate) struct Current(Arc<Mutex<Arc<Entered>>>);

impl Current {
    pub(crate) fn set(&self, entered: Entered) {
        *self.0.lock() = Arc::new(entered);
    }

    pub(crate) fn get(&self) -> Arc<Entered> {
        Arc::clone(&self.0.lock())
    }
}

/// What is to be done, and with what.
#[derive(Debug)]
pub(crate) struct Triggers {
    pub(crate) messages: Vec<(MessageTrigger, Arc<dyn Queue>)>,
    pub(crate) keys: Vec<(KeyValueTrigger, Arc<dyn Store>)>,
    pub(crate) schedules: Vec<ScheduleTrigger>,
    pub(crate) current: Current,
    pub(crate) output: Output,
}

/// Triggers at work. Dropped, they end at once.
pub(crate) struct Working {
    runtime: Option<Runtime>,
    tasks: JoinSet<()>,
    ending: watch::Sender<bool>,
}

impl Triggers {
    /// Begins; nothing where there are no triggers.
    pub(crate) fn start(self) -> Result<Option<Working>, Report> {
        if self.messages.is_empty() && self.keys.is_empty() && self.schedules.is_empty() {
            return Ok(None);
        }
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("trigger")
            .enable_all()
            .build()
            .map_err(|error| Report::failed("cannot start threads").caused_by(error))?;
        for (trigger, queue) in &self.messages {
            // Before anything can be published: what nobody is known to take is gone.
            let joined = runtime.block_on(queue.join(trigger.name.as_str(), &trigger.subject));
            joined.map_err(|error| {
                let message = format!(
                    "trigger `{}` cannot take from queue `{}`",
                    trigger.name, trigger.queue.name
                );
                Report::failed(message).caused_by(error)
            })?;
        }
        let watching = self.watch(&runtime)?;
        let (ending, ended) = watch::channel(false);
        let mut tasks = JoinSet::new();
        for (trigger, queue) in self.messages {
            let attending = Attending {
                trigger: Arc::new(trigger),
                current: self.current.clone(),
                output: self.output,
            };
            tasks.spawn_on(attending.attend(queue, ended.clone()), runtime.handle());
        }
        for ((trigger, store), watching) in self.keys.into_iter().zip(watching) {
            let telling = Telling {
                trigger: Arc::new(trigger),
                store,
                current: self.current.clone(),
                output: self.output,
            };
            tasks.spawn_on(telling.attend(watching, ended.clone()), runtime.handle());
        }
        for trigger in self.schedules {
            let task = keep_time(trigger, self.current.clone(), self.output, ended.clone());
            tasks.spawn_on(task, runtime.handle());
        }
        Ok(Some(Working {
            runtime: Some(runtime),
            tasks,
            ending,
        }))
    }

    /// Begins to watch what components are told of, before anything can change: what changed before, nobody tells.
    fn watch(&self, runtime: &Runtime) -> Result<Vec<Watching>, Report> {
        let watch = |(trigger, store): &(KeyValueTrigger, Arc<dyn Store>)| {
            let watching = runtime.block_on(async { store.watch(&trigger.prefix_in_store()).await });
            watching.map_err(|error| {
                let message = format!(
                    "trigger `{}` cannot watch store `{}`",
                    trigger.name, trigger.bucket.store.name
                );
                Report::failed(message).caused_by(error)
            })
        };
        self.keys.iter().map(watch).collect()
    }
}

impl Working {
    /// Takes nothing new from here on.
    pub(crate) fn begin_end(&self) {
        self.ending.send_replace(true);
    }

    /// Waits for what is being worked on, so long; whether all of it came to its end.
    pub(crate) fn end(mut self, grace: Duration) -> bool {
        self.begin_end();
        let Some(runtime) = self.runtime.take() else {
            return true;
        };
        let mut tasks = std::mem::take(&mut self.tasks);
        let all = async { while tasks.join_next().await.is_some() {} };
        let in_time = runtime.block_on(async { tokio::time::timeout(grace, all).await.is_ok() });
        runtime.shutdown_background();
        in_time
    }
}

impl Drop for Working {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One trigger that takes messages.
#[derive(Clone)]
struct Attending {
    trigger: Arc<MessageTrigger>,
    current: Current,
    output: Output,
}

impl Attending {
    async fn attend(self, queue: Arc<dyn Queue>, mut ended: watch::Receiver<bool>) {
        let ending = async move {
            // An error means that there is nobody left to tell.
            let _ = ended.wait_for(|is_ended| *is_ended).await;
        };
        tokio::pin!(ending);
        let taking: Arc<dyn Taking> = loop {
            let taking = tokio::select! {
                () = &mut ending => return,
                taking = queue.take(self.trigger.name.as_str(), &self.trigger.subject) => taking,
            };
            match taking {
                Ok(taking) => break Arc::from(taking),
                Err(error) => self.failed("cannot be taken", &error).await,
            }
        };
        let places = Arc::new(Semaphore::new(self.places()));
        let mut at_work = JoinSet::new();
        loop {
            while at_work.try_join_next().is_some() {}
            let Ok(place) = Arc::clone(&places).acquire_owned().await else {
                break;
            };
            let delivery = tokio::select! {
                biased;
                () = &mut ending => break,
                delivery = taking.next() => delivery,
            };
            match delivery {
                Ok(delivery) => {
                    let (attending, taking) = (self.clone(), Arc::clone(&taking));
                    at_work.spawn(async move {
                        attending.work(&*taking, delivery).await;
                        drop(place);
                    });
                }
                Err(error) => self.failed("cannot be read", &error).await,
            }
        }
        while at_work.join_next().await.is_some() {}
    }

    fn places(&self) -> usize {
        usize::try_from(self.trigger.concurrent_max.get()).unwrap_or(usize::MAX)
    }

    /// Lets the component work on a message, and tells the queue what came of it.
    async fn work(&self, taking: &dyn Taking, delivery: Delivery) {
        let component = &self.trigger.component;
        let program = self.current.get().messages.get(component).cloned();
        let says = |why: &str| format!("it says `{}`", crate::output::one_line(why));
        let why = match program {
            Some(program) => {
                let handing = messaging::hand(&program, delivery.message.clone());
                match tokio::time::timeout(self.trigger.timeout, handing).await {
                    Ok(Ok(Taken::Done)) => None,
                    Ok(Ok(Taken::Refused(why))) => Some(says(&why)),
                    Ok(Ok(Taken::Rejected(why))) => {
                        return self
                            .noted(self.rejected(taking, delivery, &says(&why)).await)
                            .await;
                    }
                    Ok(Err(failure)) => Some(failure.to_string()),
                    Err(_) => Some(format!(
                        "it worked on it for longer than {}",
                        weft_app::quantity::show_duration(self.trigger.timeout)
                    )),
                }
            }
            None => Some("it is not part of the app any more".to_owned()),
        };
        let told = match why {
            None => self.done(taking, &delivery).await,
            Some(why) => self.failed_at(taking, delivery, &why).await,
        };
        self.noted(told).await;
    }

    async fn noted(&self, told: Result<(), weft_stores::queue::Error>) {
        if let Err(error) = told {
            self.failed("is not noted, and so they come again", &error).await;
        }
    }

    /// A queue that does not work just now is asked a few times more: a message that was worked on should not come again.
    async fn done(&self, taking: &dyn Taking, delivery: &Delivery) -> Result<(), weft_stores::queue::Error> {
        for _ in 0..3 {
            if taking.done(delivery).await.is_ok() {
                return Ok(());
            }
            tokio::time::sleep(AGAIN).await;
        }
        taking.done(delivery).await
    }

    async fn failed_at(
        &self,
        taking: &dyn Taking,
        delivery: Delivery,
        why: &str,
    ) -> Result<(), weft_stores::queue::Error> {
        let attempts_max = self.trigger.attempts_max;
        let failures = delivery.attempts.saturating_add(1);
        let what = self.what_failed(&delivery, why);
        if failures >= attempts_max.get() {
            self.output
                .warn(&format!("{what}; it was tried {failures} times and is put aside"));
            return taking.put_aside(delivery).await.map(drop);
        }
        let after = self.trigger.backoff_after(failures);
        let wait = weft_app::quantity::show_duration(after);
        self.output
            .warn(&format!("{what}; it is tried again after {wait}"));
        taking.again(delivery, after).await
    }

    /// The component says that trying again would not help.
    async fn rejected(
        &self,
        taking: &dyn Taking,
        delivery: Delivery,
        why: &str,
    ) -> Result<(), weft_stores::queue::Error> {
        let what = self.what_failed(&delivery, why);
        self.output
            .warn(&format!("{what}; it is not to be tried again and is put aside"));
        taking.put_aside(delivery).await.map(drop)
    }

    fn what_failed(&self, delivery: &Delivery, why: &str) -> String {
        let MessageTrigger { name, component, .. } = &*self.trigger;
        let subject = &delivery.message.subject;
        format!("component `{component}` failed at a message of `{subject}` (trigger `{name}`): {why}")
    }

    async fn failed(&self, what: &str, error: &weft_stores::queue::Error) {
        let trigger = &self.trigger;
        self.output.warn(&format!(
            "what comes to trigger `{}` of queue `{}` {what}: {error}",
            trigger.name, trigger.queue.name
        ));
        tokio::time::sleep(AGAIN).await;
    }
}

/// Runs a component whenever its time has come.
async fn keep_time(
    trigger: ScheduleTrigger,
    current: Current,
    output: Output,
    mut ended: watch::Receiver<bool>,
) {
    let mut at = SystemTime::now();
    loop {
        let Some(next) = next_time(&trigger.times, at) else {
            output.warn(&format!("the times of trigger `{}` are over", trigger.name));
            return;
        };
        let wait = next.duration_since(SystemTime::now()).unwrap_or_default();
        tokio::select! {
            _ = ended.wait_for(|is_ended| *is_ended) => return,
            () = tokio::time::sleep(wait) => {}
        }
        at = next;
        run_now(&trigger, &current.get(), output).await;
    }
}

/// The first time that is still to come. Those that passed meanwhile are left out.
fn next_time(times: &Times, last: SystemTime) -> Option<SystemTime> {
    let now = SystemTime::now();
    let next = times.after(last)?;
    if next > now {
        return Some(next);
    }
    match times {
        Times::Every(period) => {
            let passed = now.duration_since(last).unwrap_or_default().as_nanos();
            let periods = passed / period.as_nanos().max(1) + 1;
            let wait = period.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX));
            last.checked_add(wait)
        }
        Times::Cron(_) => times.after(now),
    }
}

async fn run_now(trigger: &ScheduleTrigger, entered: &Entered, output: Output) {
    let ScheduleTrigger {
        name,
        component,
        timeout,
        ..
    } = trigger;
    let failed = |why: &str| {
        output.warn(&format!(
            "component `{component}` failed (trigger `{name}`): {why}"
        ));
    };
    let Some((program, serving)) = entered.schedules.get(component) else {
        failed("it is not part of the app any more");
        return;
    };
    let ran = tokio::time::timeout(*timeout, handler::run_served(program, serving)).await;
    match ran.map(|ran| ran.map(|report| report.outcome)) {
        Ok(Ok(Outcome::Exit(0) | Outcome::Returned(_))) => {}
        Ok(Ok(Outcome::Exit(code))) => failed(&format!("it ended with code {code}")),
        Ok(Ok(Outcome::Trap(trap))) => failed(&format!("it trapped: {}", trap.reason)),
        Ok(Ok(Outcome::Limit(hit, _))) => failed(&hit.to_string()),
        Ok(Ok(Outcome::Signal(signal))) => failed(&format!("signal {signal} ended it")),
        Ok(Err(error)) => failed(&error.to_string()),
        Err(_) => failed(&format!(
            "it ran for longer than {}",
            weft_app::quantity::show_duration(*timeout)
        )),
    }
}
