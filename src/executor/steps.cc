#include "executor/steps.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <utility>

#include "job/json.h"

namespace executor {
namespace {

constexpr int64_t kMaxOutputBytes = int64_t{8} << 20;  // of all files that are returned
constexpr int64_t kPage = 4096;  // what a file takes in the work folder comes in these

const std::string& SourceOf(const language::Language& language, const job::Submission& submission) {
  return submission.entrypoint.empty() ? language.source : submission.entrypoint;
}

void AddFiles(const job::Submission& submission, sandbox::Spec* spec) {
  for (const job::SourceFile& file : submission.files) {
    spec->files.push_back({file.path, false, file.content, nullptr});
  }
}

// The files that a program is given do not count in what it may write.
void MakeRoom(sandbox::Spec* spec) {
  for (const sandbox::InputFile& file : spec->files) {
    auto bytes = static_cast<int64_t>(file.content.size());

    struct stat info {};

    if (file.fd != nullptr && ::fstat(file.fd->get(), &info) == 0) {
      bytes = info.st_size;
    }
    // One more for each of its folders.
    const auto pages = 1 + std::count(file.path.begin(), file.path.end(), '/');
    spec->limits.file_bytes += (bytes + kPage - 1) / kPage * kPage + pages * kPage;
  }
}

int64_t Asked(int64_t asked, int64_t fallback) {
  return asked > 0 ? asked : fallback;
}

// The submission's checker with what it is given of a test. Without an `output` it may write one.
job::Submission CheckerOf(const job::Submission& submission, const job::TestCase& test,
                          const std::string* output) {
  static const std::string kNothing;
  job::Submission checker = *submission.checker;
  const std::array<const std::string*, job::kCheckerFiles.size()> contents = {
      test.stdin_data ? &*test.stdin_data : &submission.stdin_data, output,
      test.expected_output ? &*test.expected_output : &kNothing};
  for (size_t i = 0; i < contents.size(); ++i) {
    const std::string name(job::kCheckerFiles[i]);
    checker.args.push_back(name);
    if (contents[i] != nullptr) {
      checker.files.push_back({name, *contents[i]});
    }
  }
  return checker;
}

}  // namespace

CompileInput CompileInputOf(const language::Language& language, const job::Submission& submission,
                            std::string_view isolation) {
  const language::Step& step = *language.compile;
  const std::string& source = SourceOf(language, submission);
  CompileInput input;
  input.toolchain = language.id + "\n" + language.tool + "\n" + language.version + "\n" +
                    language.tool_stamp + "\n" + std::string(isolation);
  input.argv = language::StepArgv(step, source, submission.compiler_args);
  input.env = step.env;
  input.files.emplace_back(source, submission.code);
  for (const job::SourceFile& file : submission.files) {
    input.files.emplace_back(file.path, file.content);
  }
  return input;
}

sandbox::Spec CompileSpec(const Options& options, const language::Language& language,
                          const job::Submission& submission) {
  const language::Step& step = *language.compile;
  const std::string& source = SourceOf(language, submission);
  sandbox::Spec spec;
  spec.profile = sandbox::Profile::kCompile;
  spec.language = language.id;
  spec.argv = language::StepArgv(step, source, submission.compiler_args);
  spec.env = step.env;
  spec.files.push_back({source, false, submission.code, nullptr});
  AddFiles(submission, &spec);
  spec.limits.wall_time = options.compile_timeout;
  spec.limits.memory_bytes = std::max(options.compile_memory_bytes, step.memory_bytes);
  spec.limits.processes = std::max(options.compile_processes, step.processes);
  spec.limits.output_bytes = options.output_bytes;
  MakeRoom(&spec);
  spec.collect.push_back(step.output);
  return spec;
}

sandbox::TerminalSize ToSandbox(job::TerminalSize size) {
  return {static_cast<uint16_t>(size.rows), static_cast<uint16_t>(size.cols)};
}

sandbox::Spec RunSpec(const Options& options, const language::Language& language,
                      const job::Submission& submission,
                      const std::shared_ptr<base::UniqueFd>& binary, const job::TestCase* test) {
  const language::Step& step = language.run;
  const std::string& source = SourceOf(language, submission);
  sandbox::Spec spec;
  spec.profile = sandbox::Profile::kRun;
  spec.language = language.id;
  spec.argv = language::StepArgv(step, source, submission.compiler_args);
  const auto& args = test != nullptr && test->args ? *test->args : submission.args;
  spec.argv.insert(spec.argv.end(), args.begin(), args.end());
  spec.env = step.env;
  for (const auto& variable : submission.env) {
    const auto same = [&](const auto& other) { return other.first == variable.first; };
    const auto own = std::find_if(spec.env.begin(), spec.env.end(), same);
    if (own != spec.env.end()) {
      own->second = variable.second;
    } else {
      spec.env.push_back(variable);
    }
  }
  if (submission.terminal) {
    spec.terminal = ToSandbox(*submission.terminal);
    const auto is_set = [](const auto& variable) { return variable.first == "TERM"; };
    if (std::none_of(spec.env.begin(), spec.env.end(), is_set)) {
      spec.env.emplace_back("TERM", "xterm-256color");  // what the clients' widgets understand
    }
  }
  if (language.compile) {
    spec.files.push_back({language.compile->output, true, "", binary});
  } else {
    spec.files.push_back({source, false, submission.code, nullptr});
  }
  AddFiles(submission, &spec);
  if (!submission.interacts) {  // else the test's input is the interactor's
    spec.stdin_data =
        test != nullptr && test->stdin_data ? *test->stdin_data : submission.stdin_data;
  }
  if (test == nullptr) {
    spec.collect = submission.outputs;
    spec.collect_bytes = kMaxOutputBytes;
  }
  spec.live_input = submission.interactive || submission.interacts;
  const job::Limits& asked = submission.limits;
  sandbox::Limits& limits = spec.limits;
  limits.wall_time =
      Asked(submission.timeout, submission.interactive ? options.session_timeout : options.timeout);
  limits.cpu_time = Asked(asked.cpu_time, submission.interactive ? options.session_cpu_time : 0);
  limits.memory_bytes =
      Asked(asked.memory_bytes, std::max(options.memory_bytes, step.memory_bytes));
  limits.processes = Asked(asked.processes, std::max(options.processes, step.processes));
  limits.output_bytes = Asked(asked.output_bytes, options.output_bytes);
  limits.file_bytes = Asked(asked.file_bytes, limits.file_bytes);
  limits.open_files = Asked(asked.open_files, limits.open_files);
  MakeRoom(&spec);
  return spec;
}

sandbox::Spec CheckSpec(const Options& options, const language::Language& language,
                        const job::Submission& submission,
                        const std::shared_ptr<base::UniqueFd>& binary, const job::TestCase& test,
                        const std::string& output) {
  job::Submission checker = CheckerOf(submission, test, &output);
  checker.timeout = options.compile_timeout;
  return RunSpec(options, language, checker, binary);
}

sandbox::Spec InteractorSpec(const Options& options, const language::Language& language,
                             const job::Submission& submission,
                             const std::shared_ptr<base::UniqueFd>& binary,
                             const job::TestCase& test) {
  job::Submission interactor = CheckerOf(submission, test, nullptr);
  // It may go on when the program has used up all of its time. What the program may say to it, it
  // may say, too.
  interactor.timeout = Asked(submission.timeout, options.timeout) + options.compile_timeout;
  interactor.limits.output_bytes = std::max(submission.limits.output_bytes, options.output_bytes);
  sandbox::Spec spec = RunSpec(options, language, interactor, binary);
  spec.live_input = true;
  return spec;
}

}  // namespace executor
