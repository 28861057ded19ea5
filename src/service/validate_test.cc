#include "service/validate.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "base/text.h"

namespace service {
namespace {

language::Registry MakeLanguages() {
  const std::filesystem::path folder =
      std::filesystem::path(testing::TempDir()) / ("languages-" + base::RandomId());
  std::filesystem::create_directories(folder);
  const auto write = [&](const std::string& id, const std::string& more) {
    std::ofstream(folder / (id + ".toml"))
        << "id = '" << id << "'\nname = 'X'\nextensions = ['x']\nsource = 'main.x'\nsample = 'x'\n"
        << "install = 'x'\ncompiler_args = ['-O[0-3]', '-std=.*']\n[detect]\ntools = ['sh']\n"
        << "version_argv = ['{tool}', '-c', 'echo v1']\nversion_pattern = 'v(.)'\n"
        << more;
  };
  write("script", "[run]\nargv = ['{tool}', '{compiler_args}', '{source}']\n");
  write("native",
        "[compile]\nargv = ['{tool}', '{compiler_args}']\noutput = 'prog'\n"
        "[run]\nargv = ['./prog']\n");
  base::Result<language::Registry> registry = language::Registry::Load(folder);
  std::filesystem::remove_all(folder);
  EXPECT_TRUE(registry) << registry.error().message;
  registry->Detect();
  return *std::move(registry);
}

class ValidateTest : public testing::Test {
 protected:
  ValidateTest() : languages_(MakeLanguages()) {
    options_.max_limits = {base::kSecond, 64 << 20, 10, 1000, 1 << 20, 100};
    submission_.language = "script";
  }

  // The wrong fields, joined by commas.
  std::string Wrong(bool has_code) {
    job::ParsedSubmission parsed;
    parsed.submission = submission_;
    parsed.has_code = has_code;
    parsed.checker_has_code = true;
    std::string fields;
    for (const job::FieldError& error : Validate(options_, languages_, key_, &parsed)) {
      EXPECT_FALSE(error.message.empty());
      fields += (fields.empty() ? "" : ",") + error.field;
    }
    submission_ = std::move(parsed.submission);
    return fields;
  }

  language::Registry languages_;
  Options options_;
  job::Submission submission_;
  const job::Key* key_ = nullptr;
};

TEST_F(ValidateTest, CodeAloneIsTheLanguagesSource) {
  submission_.code = "c";
  EXPECT_EQ(Wrong(true), "");
  EXPECT_EQ(submission_.entrypoint, "main.x");
  EXPECT_EQ(submission_.code, "c");
}

TEST_F(ValidateTest, AnOnlyFileIsTheEntrypoint) {
  submission_.files = {{"a/b.x", "b"}};
  EXPECT_EQ(Wrong(false), "");
  EXPECT_EQ(submission_.entrypoint, "a/b.x");
  EXPECT_EQ(submission_.code, "b");
  EXPECT_TRUE(submission_.files.empty());
}

TEST_F(ValidateTest, OfSeveralFilesTheEntrypointIsNamedOrTheLanguagesSource) {
  submission_.files = {{"a.x", "a"}, {"main.x", "m"}};
  job::Submission named = submission_;
  named.entrypoint = "a.x";
  EXPECT_EQ(Wrong(false), "");
  EXPECT_EQ(submission_.code, "m");
  ASSERT_EQ(submission_.files.size(), 1U);
  EXPECT_EQ(submission_.files[0].path, "a.x");
  submission_ = named;
  EXPECT_EQ(Wrong(false), "");
  EXPECT_EQ(submission_.code, "a");
}

TEST_F(ValidateTest, RefusesAnEntrypointThatIsNowhere) {
  EXPECT_EQ(Wrong(false), "entrypoint");
  submission_.files = {{"a.x", ""}, {"b.x", ""}};
  EXPECT_EQ(Wrong(false), "entrypoint");
  submission_.entrypoint = "c.x";
  EXPECT_EQ(Wrong(false), "entrypoint");
  submission_.entrypoint = "a.txt";
  submission_.files[0].path = "a.txt";
  EXPECT_EQ(Wrong(false), "entrypoint");
}

TEST_F(ValidateTest, CodeAndFilesGoTogether) {
  submission_.entrypoint = "app/run.x";
  submission_.files = {{"app/util.x", ""}};
  EXPECT_EQ(Wrong(true), "");
  submission_.files.push_back({"app/run.x", ""});
  EXPECT_EQ(Wrong(true), "files[1].path");
}

TEST_F(ValidateTest, RefusesFilesInEachOthersWay) {
  submission_.files = {{"a", ""}, {"a/b", ""}};
  EXPECT_EQ(Wrong(true), "files[1].path");
  submission_.files = {{"main.x/b", ""}};
  EXPECT_EQ(Wrong(true), "files[0].path");
}

TEST_F(ValidateTest, RefusesFilesInTheProgramsWay) {
  submission_.language = "native";
  submission_.files = {{"program", ""}, {"prog/x", ""}};
  EXPECT_EQ(Wrong(true), "files[1].path");
  submission_.language = "script";
  submission_.entrypoint.clear();
  EXPECT_EQ(Wrong(true), "");
}

TEST_F(ValidateTest, ChecksSizes) {
  options_.max_files_bytes = 10;
  options_.max_code_bytes = 5;
  submission_.code = "123456";
  submission_.files = {{"a", "12345"}, {"b", "123456"}};
  EXPECT_EQ(Wrong(true), "code,files");
}

TEST_F(ValidateTest, ChecksLimits) {
  submission_.limits = {base::kSecond, 64 << 20, 10, 1000, 1 << 20, 100};
  EXPECT_EQ(Wrong(true), "");
  submission_.limits = {base::kSecond + 1, (64 << 20) + 1, 11, 1001, (1 << 20) + 1, 101};
  EXPECT_EQ(Wrong(true),
            "limits.cpu_time,limits.memory_bytes,limits.processes,limits.output_bytes,"
            "limits.file_bytes,limits.open_files");
  submission_.limits = {1, 1, 1, 1, 1, 1};
  EXPECT_EQ(Wrong(true), "limits.memory_bytes,limits.file_bytes,limits.open_files");
}

TEST_F(ValidateTest, TakesCompilerArgumentsOfItsListOnly) {
  submission_.compiler_args = {"-O2", "-std=x"};
  EXPECT_EQ(Wrong(true), "");
  for (const char* arg : {"-O4", "-O2 ", "-toolexec=/bin/sh", "", "-o", "/etc/passwd"}) {
    submission_.compiler_args = {"-O2", arg};
    EXPECT_EQ(Wrong(true), "compiler_args[1]") << arg;
  }
  submission_.compiler_args = {"-std=" + std::string(100'000, 'x')};
  EXPECT_EQ(Wrong(true), "compiler_args[0]");
}

TEST_F(ValidateTest, NamesAnUnknownLanguageBesideTheRest) {
  submission_.language = "cobol";
  submission_.timeout = options_.max_timeout + 1;
  EXPECT_EQ(Wrong(true), "language,timeout");
}

TEST_F(ValidateTest, AKeyAllowsItsLanguagesOnly) {
  job::Key key;
  key.languages = {"native"};
  key_ = &key;
  EXPECT_EQ(Wrong(true), "language");
  submission_.language = "native";
  EXPECT_EQ(Wrong(true), "");
}

TEST_F(ValidateTest, AKeysMaximaLowerThoseOfAll) {
  job::Key key;
  key.max_timeout = base::kSecond;
  key.max_limits.memory_bytes = 32 << 20;
  key.max_limits.processes = 1000;
  key_ = &key;
  submission_.timeout = 2 * base::kSecond;
  submission_.limits.memory_bytes = 33 << 20;
  submission_.limits.processes = 11;  // more than anybody may
  EXPECT_EQ(Wrong(true), "timeout,limits.memory_bytes,limits.processes");
}

TEST_F(ValidateTest, WhatIsNotAskedForIsNoMoreThanTheKeyMayHave) {
  options_.default_timeout = 3 * base::kSecond;
  options_.default_limits.memory_bytes = 16 << 20;
  job::Key key;
  key.max_timeout = base::kSecond;
  key.max_limits.memory_bytes = 32 << 20;
  key.max_limits.cpu_time = base::kMillisecond;  // unasked nothing bounds it
  key_ = &key;
  EXPECT_EQ(Wrong(true), "");
  EXPECT_EQ(submission_.timeout, base::kSecond);
  EXPECT_EQ(submission_.limits.memory_bytes, 0);  // the service's own is less
  EXPECT_EQ(submission_.limits.cpu_time, base::kMillisecond);
}

TEST_F(ValidateTest, ChecksTheCheckerProgram) {
  auto checker = std::make_shared<job::Submission>();
  checker->language = "native";
  checker->code = "x";
  checker->compiler_args = {"-O2"};
  submission_.checker = checker;
  EXPECT_EQ(Wrong(true), "");
  EXPECT_EQ(submission_.checker->entrypoint, "main.x");
  EXPECT_EQ(checker->entrypoint, "") << "what was given is left as it is";
  checker->language = "cobol";
  checker->code = std::string(static_cast<size_t>(options_.max_code_bytes) + 1, 'x');
  submission_.checker = checker;
  EXPECT_EQ(Wrong(true), "checker.language,checker.code");
}

TEST_F(ValidateTest, ChecksTheInteractor) {
  auto interactor = std::make_shared<job::Submission>();
  interactor->language = "native";
  submission_.checker = interactor;
  submission_.interacts = true;
  EXPECT_EQ(Wrong(true), "");
  EXPECT_TRUE(submission_.interacts);
  interactor->language = "cobol";
  submission_.checker = interactor;
  EXPECT_EQ(Wrong(true), "interactor.language");
}

TEST_F(ValidateTest, TheLanguagesOfAKeyAreKnown) {
  job::Key key;
  key.languages = {"native", "cobol"};
  const auto errors = ValidateKey(languages_, &key);
  ASSERT_EQ(errors.size(), 1U);
  EXPECT_EQ(errors[0].field, "languages[1]");
  EXPECT_NE(errors[0].message.find("native"), std::string::npos);
}

}  // namespace
}  // namespace service
