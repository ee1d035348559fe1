//! Work on several threads whose results come in the order of the jobs.
//!
//! What is made of a job must not depend on the thread that has it; then nothing depends on how many there are.

use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// How many jobs wait for each thread beside the one it works on.
const WAITING: usize = 1;

/// Takes jobs and hands out their results, oldest first.
pub(super) enum Line<'l, W, J, R> {
    /// Each job is done as it comes.
    Here { worker: W, work: &'l (dyn Fn(&mut W, J) -> R + Sync), done: Option<R> },
    /// Threads take turns: the next job is for the one whose turn it is, and so is the next result.
    Threads { threads: Vec<(SyncSender<J>, Receiver<R>)>, given: usize, taken: usize },
}

impl<W, J, R> Line<'_, W, J, R> {
    /// Gives a job, and returns the oldest result where there is no room for another.
    pub(super) fn give(&mut self, job: J) -> Option<R> {
        match self {
            Line::Here { worker, work, done } => done.replace(work(worker, job)),
            Line::Threads { threads, given, taken } => {
                let full = *given - *taken >= threads.len() * (1 + WAITING);
                let oldest = if full { Self::receive(threads, taken) } else { None };
                let turn = *given % threads.len().max(1);
                // A thread that is gone has panicked, and the panic goes on where the threads were started.
                let _ = threads.get(turn).map(|(jobs, _)| jobs.send(job));
                *given += 1;
                oldest
            }
        }
    }

    /// The oldest result that was not taken yet; waits for it. `None` where no job is left.
    pub(super) fn take(&mut self) -> Option<R> {
        match self {
            Line::Here { done, .. } => done.take(),
            Line::Threads { given, taken, .. } if given == taken => None,
            Line::Threads { threads, taken, .. } => Self::receive(threads, taken),
        }
    }

    fn receive(threads: &[(SyncSender<J>, Receiver<R>)], taken: &mut usize) -> Option<R> {
        let turn = *taken % threads.len().max(1);
        *taken += 1;
        threads.get(turn).and_then(|(_, results)| results.recv().ok())
    }
}

/// Calls `body` with a line of these workers: the others on a thread of its own each, or, where there are none, the own
/// one on the caller's. When `body` returns, whether jobs are left or not, the threads end before this does.
///
/// # Panics
/// With the panic of a worker.
pub(super) fn in_order<W: Send, J: Send, R: Send, T>(
    own: W,
    others: Vec<W>,
    work: &(dyn Fn(&mut W, J) -> R + Sync),
    body: impl FnOnce(&mut Line<'_, W, J, R>) -> T,
) -> T {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for mut worker in others {
            let (jobs, given) = sync_channel::<J>(WAITING);
            let (done, results) = sync_channel(1 + WAITING);
            let started = thread::Builder::new().spawn_scoped(scope, move || {
                // Nobody waits for what is left: then the work ends early.
                while let Ok(job) = given.recv()
                    && done.send(work(&mut worker, job)).is_ok()
                {}
            });
            // Where the system has no more threads, fewer will do.
            if started.is_err() {
                break;
            }
            threads.push((jobs, results));
        }
        match threads.is_empty() {
            true => body(&mut Line::Here { worker: own, work, done: None }),
            false => body(&mut Line::Threads { threads, given: 0, taken: 0 }),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    fn run(threads: usize, jobs: u64, work: &(dyn Fn(&mut u64, u64) -> u64 + Sync)) -> Vec<u64> {
        in_order(0, vec![0; threads - 1], work, |line| {
            let mut results: Vec<u64> = (0..jobs).filter_map(|job| line.give(job)).collect();
            results.extend(std::iter::from_fn(|| line.take()));
            results
        })
    }

    #[test]
    fn results_come_in_the_order_of_the_jobs() {
        let slow_first = |_: &mut u64, job: u64| {
            std::thread::sleep(Duration::from_millis(if job.is_multiple_of(3) { 5 } else { 0 }));
            job * 10
        };
        for threads in [1, 2, 3, 8] {
            for jobs in [0, 1, 2, 5, 40] {
                let expected: Vec<u64> = (0..jobs).map(|job| job * 10).collect();
                assert_eq!(run(threads, jobs, &slow_first), expected, "{threads} threads, {jobs} jobs");
            }
        }
    }

    /// Whoever stops in the middle does not wait for what he gave, and leaves no thread behind.
    #[test]
    fn threads_end_with_whoever_started_them() {
        let running = AtomicUsize::new(0);
        let work = |_: &mut u64, job: u64| {
            running.fetch_add(1, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(10));
            running.fetch_sub(1, Ordering::SeqCst);
            job
        };
        in_order(0, vec![0; 4], &work, |line| {
            for job in 0..8 {
                line.give(job);
            }
        });
        assert_eq!(running.load(Ordering::SeqCst), 0);
    }

    #[test]
    fn a_panic_in_a_thread_is_one_of_the_caller() {
        for threads in [1, 3] {
            let panics = std::panic::catch_unwind(|| {
                run(threads, 20, &|_, job| if job == 7 { panic!("seven") } else { job })
            });
            assert!(panics.is_err(), "{threads} threads");
        }
    }

    /// However fast jobs come, few of them are held.
    #[test]
    fn few_jobs_wait() {
        let (given, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = |_: &mut u64, job: u64| {
            std::thread::sleep(Duration::from_millis(1));
            done.fetch_add(1, Ordering::SeqCst);
            job
        };
        let most = in_order(0, vec![0; 2], &work, |line| {
            let mut most = 0;
            for job in 0..50 {
                line.give(job);
                let open = given.fetch_add(1, Ordering::SeqCst) + 1 - done.load(Ordering::SeqCst);
                most = most.max(open);
            }
            most
        });
        assert!(most <= 2 * (1 + WAITING), "{most} jobs were open");
    }
}
