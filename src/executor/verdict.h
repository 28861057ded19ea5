#pragma once

#include <optional>
#include <vector>

#include "executor/interaction.h"
#include "job/job.h"
#include "sandbox/spec.h"

// From what a sandbox says to what a job's result says. Pure functions; nothing here knows of
// stores or loops. REQUIRES for all: run.cause is neither kCancelled nor kInternal, which are no
// results.
namespace executor {

// The result of a run step under `limits`; queue_time, start_time and compile are the caller's.
job::Result RunVerdict(sandbox::RunResult run, const sandbox::Limits& limits);

// The files that were collected, read into memory; in the order of their paths.
std::vector<job::OutputFile> OutputFiles(const sandbox::RunResult& run);

// As RunVerdict, of a run step on a test; name, group, points and what the checker says are the
// caller's.
job::TestResult TestVerdict(sandbox::RunResult run, const sandbox::Limits& limits);

// What the checker program of a test, run under `limits`, says of it: testlib's exit codes. A
// checker that fails is not held against the program.
void TakeCheck(sandbox::RunResult check, const sandbox::Limits& limits, job::TestResult* test);

// The limits that an interaction had.
struct InteractionLimits {
  sandbox::Limits program;
  sandbox::Limits interactor;
  base::Nanos idle_time = 0;
};

// As TestVerdict, of a program and its interactor. REQUIRES: no failure.
job::TestResult InteractionVerdict(InteractionResult result, const InteractionLimits& limits);

// What the compile step printed and used.
job::CompileResult CompileOutput(const sandbox::RunResult& run);

// Why a compile step under `limits` is a compile_error, in one sentence; nullopt when it has
// produced the one file that it was asked for.
std::optional<std::string> CompileFailure(const sandbox::RunResult& run,
                                          const sandbox::Limits& limits);

}  // namespace executor
