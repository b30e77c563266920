//! What `--help` says below the options.

pub(super) const EXAMPLES: &str = "\
Examples:
  phalanx start -n 4                    a cluster of four engines on this machine
  phalanx status                        its engines and jobs
  phalanx explain b302099a8057          why a job waits
  phalanx abort b302099a8057            ends it
  phalanx stop                          ends it

  phalanx start -n 16 --profile nbserver --listen 0.0.0.0:7070 --advertise head.cluster.example
                                        one that engines and clients on other machines can join
  phalanx list                          all profiles, and which of them run
  phalanx history --since 2h            what has become of jobs
  phalanx jobs                          what runs, and whose results are kept
  phalanx results data/sweep.h5         what is in a file of results

In a program:  let client = phalanx::Client::connect(\"nbserver\")?;

Exit codes: 0 done, 1 an error, 2 wrong usage, 10 already running, 11 not running.";

pub(super) const START_EXAMPLES: &str = "\
Examples:
  phalanx start                         one engine per core, on the profile `default`
  phalanx start -n 4 --profile nbserver
  phalanx start -n 4 --listen 0.0.0.0:7070 --advertise head.cluster.example
      then, on other machines, with a copy of ~/.phalanx/default/engine.json:
      engine --connection engine.json -n 16

The daemons keep running when the terminal is closed. Their logs are controller.log and engine.log
in the profile's directory `log`; functions run in the directory that start was called in.

Exit codes: 0 all engines are ready, 1 an error, 10 a controller already runs on the profile.";

pub(super) const STOP_EXAMPLES: &str = "\
Engines that `phalanx start` launched here finish the chunks they run, then end; then the controller
does. What has not ended after the timeout is killed. Engines that were started in another way, here
or on other machines, keep running and come back to the profile's next controller. Results that the
controller keeps (phalanx jobs) are in its memory and go with it.

Examples:
  phalanx stop --profile nbserver
  phalanx stop --timeout 600            let chunks of up to ten minutes finish
  phalanx stop --timeout 0              at once

Exit codes: 0 stopped, 1 an error, 11 nothing was running.";

pub(super) const STATUS_EXAMPLES: &str = "\
On a terminal this prints tables. Elsewhere it prints one line per thing, with tabs between the fields:
  controller  profile, host, pid, version, uptime in ms, clients, bytes of arguments in memory
  engine      id, host, daemon's pid, chunks assigned, chunks completed, ms since the last heartbeat, state
  job         id, client, view, elements done, all elements, elements failed, percent, chunks assigned,
              age in ms, function
and --json prints everything there is to know:
  phalanx status | awk -F'\\t' '$1 == \"engine\" { print $2, $3 }'
  phalanx status --json | jq '.jobs[] | select(.elements_failed > 0) | .label'

Exit codes: 0 it runs, 1 an error, 11 nothing runs on the profile.";

pub(super) const HISTORY_EXAMPLES: &str = "\
What was noted survives the controller: while one runs it is asked, else the file history.sqlite of the
profile is read. It is bounded (controller --history-rows-limit, --history-days-limit).

Times are how long ago (90s, 15m, 2h, 7d, 2w) or UTC (2026-11-27, 2026-11-27T10:30). With --job the chunks
of one job are shown; the end of its id, as the tables show it, will do.

Examples:
  phalanx history --since 2h
  phalanx history --state failed,aborted --label 'sweep*'
  phalanx history --job b302099a8057 --failed
  phalanx history --limit 1000 --json | jq -r '.jobs[] | select(.elements_failed > 0) | .message'

On a terminal this prints tables. Elsewhere it prints one line per thing, with tabs between the fields:
  job       id, state, submitted and ended in ns since 1970, view, elements, done, failed, chunks, attempts
            lost, client's host and pid, function, why the first element failed
  chunk     job, first chunk, chunks, first element, elements, failed, engine, host, attempt, status, started
            and ended in ns since 1970, kind of failure, message

States: running, completed, failed (some elements were), aborted, expired (not begun within its queue limit),
impossible (what is left of it can never be run), client-lost, interrupted (the controller ended first).

Exit codes: 0 it was read, 1 an error, 2 wrong usage, 11 there is no such profile.";

pub(super) const LIST_EXAMPLES: &str = "\
On a terminal this prints a table. Elsewhere it prints one line per profile, with tabs between the fields:
profile, state (running, locked, stopped, unusable), controller's pid, its host or what is wrong, directory.";

pub(super) const EXPLAIN_EXAMPLES: &str = "\
The answer is the scheduler's own: which engines hold chunks of the job, how many wait, and what the
first of them waits for: engines that are busy or lack a tag, other jobs, a client that does not read.

Examples:
  phalanx explain b302099a8057          the end of an id, as phalanx status shows it, or its beginning
  phalanx explain survey                a label
  phalanx explain survey --json | jq -r .waiting

On a terminal this prints sentences. Elsewhere it prints one line per thing, with tabs between the fields:
  job       id, elements done, all elements, elements failed, chunks queued, chunks waiting, function or label
  running   engine, chunk, attempt, chunks of the job that it holds, chunks of other jobs before them
  waiting   why the first waiting chunk waits
  after     id of a job that must be over before

Exit codes: 0 it was explained, 1 an error: no such job, or several; 11 nothing runs on the profile.";

pub(super) const RESULTS_EXAMPLES: &str = "\
Also while the run goes on: the file is whole at every moment.

Examples:
  phalanx results data/sweep.h5
  phalanx results data/sweep.h5 --json | jq '.failures'

On a terminal this prints tables. Elsewhere it prints one line per thing, with tabs between the fields:
  file      path, run or job, elements, done, failed, missing, seconds waited, seconds computed, bytes, function
  dataset   path, type, shape
  engine    session, id, host, elements, seconds
  failure   element, kind, message; the first 1000

Exit codes: 0 it was read, 1 an error: no such file, not one of Phalanx, damaged.";

pub(super) const JOBS_EXAMPLES: &str = "\
Kept are the results of jobs of a view with keep(), in the controller's memory: any program fetches them
with client.job(id), until they are purged, or dropped to stay within its bounds (--kept-limit,
--kept-hours), or the controller ends.

Examples:
  phalanx jobs
  phalanx jobs --json | jq -r '.jobs[] | select(.kept and .client_left) | .id'

On a terminal this prints a table. Elsewhere it prints one line per job, with tabs between the fields:
  job       id, state, kept or not, elements done, all elements, elements failed, bytes kept, age in ms, ms
            since its end, whether its client has left, type of its values, function or label

States: running, completed, failed (some elements were), aborted, expired (not begun within its queue limit),
impossible (what is left of it can never be run).

Exit codes: 0 it was read, 1 an error, 11 nothing runs on the profile.";

pub(super) const ABORT_EXAMPLES: &str = "\
What waits is dropped at once; functions that run are told (phalanx::interrupted()), and their processes ended
if they have not stopped after a grace time (engine --cancel-grace). The program whose job it is gets
Error::Aborted. With a name that fits no job, or several, none is aborted.

Examples:
  phalanx abort b302099a8057            the end of an id, as phalanx status shows it, or its beginning
  phalanx abort survey                  a label

Exit codes: 0 they are aborted, 1 an error: no such job, or several; 2 wrong usage; 11 nothing runs on the
profile.";

pub(super) const PURGE_EXAMPLES: &str = "\
With an id of which nothing can be dropped, nothing is. What is under way stays: phalanx abort it, or wait for its end.

Examples:
  phalanx purge b302099a8057            the end of an id, as phalanx jobs shows it, or its beginning
  phalanx purge --all                   of every job that has ended, whoever submitted it

Exit codes: 0 they are dropped, 1 an error: no such job, or several, or one that is under way; 2 wrong usage;
11 nothing runs on the profile.";
