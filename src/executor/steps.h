#pragma once

#include <memory>
#include <string>

#include "base/unique_fd.h"
#include "executor/compile_cache.h"
#include "executor/executor.h"
#include "job/job.h"
#include "language/language.h"
#include "sandbox/spec.h"

// What the steps of a job ask of a sandbox. Pure functions. `submission` is as the service stores
// it: `code` is the content of the entrypoint, `files` are the others.
namespace executor {

// REQUIRES: language.compile. Everything that decides what the compile step makes.
CompileInput CompileInputOf(const language::Language& language, const job::Submission& submission,
                            std::string_view isolation);

// REQUIRES: language.compile.
sandbox::Spec CompileSpec(const Options& options, const language::Language& language,
                          const job::Submission& submission);

sandbox::TerminalSize ToSandbox(job::TerminalSize size);

// `binary` is what the compile step has made; null where there is none. The program gets the files
// that came with it, and not its own source where it was compiled. With a `test` its arguments and
// input go before the submission's.
sandbox::Spec RunSpec(const Options& options, const language::Language& language,
                      const job::Submission& submission,
                      const std::shared_ptr<base::UniqueFd>& binary,
                      const job::TestCase* test = nullptr);

// Asks the submission's checker program about the output of a test, whose verdict so far is ok.
// REQUIRES: submission.checker, whose program `binary` is.
sandbox::Spec CheckSpec(const Options& options, const language::Language& language,
                        const job::Submission& submission,
                        const std::shared_ptr<base::UniqueFd>& binary, const job::TestCase& test,
                        const std::string& output);

// Talks with the program on a test. REQUIRES: submission.checker, which interacts, whose program
// `binary` is.
sandbox::Spec InteractorSpec(const Options& options, const language::Language& language,
                             const job::Submission& submission,
                             const std::shared_ptr<base::UniqueFd>& binary,
                             const job::TestCase& test);

}  // namespace executor
