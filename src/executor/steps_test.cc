#include "executor/steps.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

namespace executor {
namespace {

language::Language Interpreted() {
  language::Language language;
  language.id = "script";
  language.source = "main.x";
  language.run.argv = {"/bin/x", "{compiler_args}", "{source}"};
  language.run.env = {{"HOME", "/box"}, {"LANG", "C"}};
  return language;
}

language::Language Compiled() {
  language::Language language;
  language.id = "native";
  language.source = "main.x";
  language.compile.emplace();
  language.compile->argv = {"/bin/cc", "{compiler_args}", "./{source}"};
  language.compile->output = "prog";
  language.run.argv = {"./prog"};
  return language;
}

job::Submission Full() {
  job::Submission s;
  s.entrypoint = "src/app.x";
  s.code = "code";
  s.files = {{"src/util.x", "util"}, {"data", std::string(5000, 'd')}};
  s.args = {"a", "b c"};
  s.env = {{"LANG", "de"}, {"MODE", "test"}};
  s.compiler_args = {"-O", "-g"};
  s.limits = {1, 2 << 20, 3, 4, 5 << 20, 60};
  return s;
}

std::shared_ptr<base::UniqueFd> SomeBinary() {
  return std::make_shared<base::UniqueFd>(::dup(2));
}

TEST(RunSpec, BringsEverythingToAnInterpreter) {
  const sandbox::Spec spec = RunSpec({}, Interpreted(), Full(), nullptr);
  EXPECT_EQ(spec.argv, (std::vector<std::string>{"/bin/x", "-O", "-g", "src/app.x", "a", "b c"}));
  ASSERT_EQ(spec.files.size(), 3U);
  EXPECT_EQ(spec.files[0].path, "src/app.x");
  EXPECT_EQ(spec.files[0].content, "code");
  EXPECT_EQ(spec.files[2].path, "data");
  using Variable = std::pair<std::string, std::string>;
  EXPECT_EQ(spec.env, (std::vector<Variable>{{"HOME", "/box"}, {"LANG", "de"}, {"MODE", "test"}}));
}

TEST(RunSpec, AppliesLimits) {
  const sandbox::Limits limits = RunSpec({}, Interpreted(), Full(), nullptr).limits;
  EXPECT_EQ(limits.cpu_time, 1);
  EXPECT_EQ(limits.memory_bytes, 2 << 20);
  EXPECT_EQ(limits.processes, 3);
  EXPECT_EQ(limits.output_bytes, 4);
  EXPECT_GE(limits.file_bytes, (5 << 20) + 5008) << "beside the files that it is given";
  EXPECT_LE(limits.file_bytes, (5 << 20) + 64 * 1024);
  EXPECT_EQ(limits.open_files, 60);
}

TEST(RunSpec, WithoutWishesHasTheDefaults) {
  Options options;
  language::Language language = Interpreted();
  language.run.memory_bytes = options.memory_bytes * 2;
  const sandbox::Spec spec = RunSpec(options, language, {}, nullptr);
  EXPECT_EQ(spec.argv, (std::vector<std::string>{"/bin/x", "main.x"}));
  EXPECT_EQ(spec.files[0].path, "main.x");
  EXPECT_EQ(spec.limits.memory_bytes, options.memory_bytes * 2);
  EXPECT_EQ(spec.limits.processes, options.processes);
  EXPECT_EQ(spec.limits.open_files, sandbox::Limits().open_files);
  EXPECT_EQ(spec.limits.cpu_time, 0);
}

TEST(RunSpec, OfACompiledProgramHasTheProgramAndTheFilesWithIt) {
  const auto binary = SomeBinary();
  const sandbox::Spec spec = RunSpec({}, Compiled(), Full(), binary);
  EXPECT_EQ(spec.argv, (std::vector<std::string>{"./prog", "a", "b c"}));
  ASSERT_EQ(spec.files.size(), 3U);
  EXPECT_EQ(spec.files[0].path, "prog");
  EXPECT_EQ(spec.files[0].fd, binary);
  EXPECT_EQ(spec.files[1].path, "src/util.x");
}

TEST(InteractorSpec, HasTheTestsInputInstead) {
  job::Submission s = Full();
  s.interacts = true;
  s.stdin_data = "of the job";
  s.timeout = 2 * base::kSecond;
  job::Submission interactor;
  interactor.code = "talk";
  s.checker = std::make_shared<const job::Submission>(interactor);
  job::TestCase test;
  test.expected_output = "7";
  Options options;
  options.compile_timeout = 5 * base::kSecond;
  options.output_bytes = 1000;

  const sandbox::Spec program = RunSpec(options, Interpreted(), s, nullptr, &test);
  EXPECT_TRUE(program.live_input);
  EXPECT_EQ(program.stdin_data, "");
  const sandbox::Spec spec = InteractorSpec(options, Interpreted(), s, nullptr, test);
  EXPECT_TRUE(spec.live_input);
  EXPECT_EQ(spec.stdin_data, "");
  EXPECT_EQ(spec.argv, (std::vector<std::string>{"/bin/x", "main.x", "input", "output", "answer"}));
  ASSERT_EQ(spec.files.size(), 3U);
  EXPECT_EQ(spec.files[0].content, "talk");
  EXPECT_EQ(spec.files[1].path + " " + spec.files[1].content, "input of the job");
  EXPECT_EQ(spec.files[2].path + " " + spec.files[2].content, "answer 7");
  EXPECT_EQ(spec.limits.wall_time, 7 * base::kSecond);
  EXPECT_EQ(spec.limits.output_bytes, 1000) << "more than what the program may say";
  test.stdin_data = "of the test";
  EXPECT_EQ(InteractorSpec(options, Interpreted(), s, nullptr, test).files[1].content,
            "of the test");
}

TEST(CompileSpec, HasAllSourcesAndNoneOfTheProgramsWishes) {
  const sandbox::Spec spec = CompileSpec({}, Compiled(), Full());
  EXPECT_EQ(spec.argv, (std::vector<std::string>{"/bin/cc", "-O", "-g", "./src/app.x"}));
  EXPECT_EQ(spec.files.size(), 3U);
  EXPECT_TRUE(spec.env.empty());
  EXPECT_EQ(spec.limits.cpu_time, 0);
  EXPECT_EQ(spec.limits.memory_bytes, Options().compile_memory_bytes);
}

TEST(CompileInputOf, DiffersWithWhateverDecidesTheProgram) {
  const auto key = [](const job::Submission& s) {
    return CompileCache::Key(CompileInputOf(Compiled(), s, "full"));
  };
  const std::string original = key(Full());
  EXPECT_EQ(original, key(Full()));
  const auto changed = [&](const auto& change) {
    job::Submission s = Full();
    change(&s);
    return key(s);
  };
  EXPECT_NE(original, changed([](auto* s) { s->code += "x"; }));
  EXPECT_NE(original, changed([](auto* s) { s->entrypoint = "src/other.x"; }));
  EXPECT_NE(original, changed([](auto* s) { s->files[0].content += "x"; }));
  EXPECT_NE(original, changed([](auto* s) { s->files[0].path = "src/z.x"; }));
  EXPECT_NE(original, changed([](auto* s) { s->files.pop_back(); }));
  EXPECT_NE(original, changed([](auto* s) { s->compiler_args.pop_back(); }));
  EXPECT_EQ(original, changed([](auto* s) {
              s->args.clear();
              s->env.clear();
              s->limits = {};
              s->stdin_data = "x";
            }));
}

}  // namespace
}  // namespace executor
