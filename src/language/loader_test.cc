#include "language/loader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "base/text.h"

namespace language {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr const char* kGood = R"(id = "toy"
name = "Toy"
aliases = ["t", "toy2"]
extensions = ["toy"]
source = "main.toy"
sample = "print"
install = "apt-get install toy"
[detect]
tools = ["/usr/bin/toy", "toy"]
version_argv = ["{tool}", "--version"]
version_pattern = 'toy (\d+)'
[compile]
argv = ["{tool}", "{source}"]
output = "main"
memory = "1GiB"
processes = 256
[compile.env]
A = "1"
[run]
argv = ["./main"]
[warm_up]
argv = ["{tool}", "warm"]
mount = "/cache/toy"
env = { C = "{cache}" }
)";

std::string Replace(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

// The message for the good file with one place changed.
std::string ErrorOf(const std::string& from, const std::string& to) {
  const auto loaded = ParseLanguage(Replace(kGood, from, to), "x.toml");
  return loaded ? "no error" : loaded.error().message;
}

TEST(ParseLanguage, ReadsEveryKey) {
  const auto loaded = ParseLanguage(kGood, "x.toml");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Language& toy = loaded->language;
  EXPECT_EQ(toy.id, "toy");
  EXPECT_EQ(toy.name, "Toy");
  EXPECT_THAT(toy.aliases, ElementsAre("t", "toy2"));
  EXPECT_THAT(toy.tools, ElementsAre("/usr/bin/toy", "toy"));
  EXPECT_EQ(toy.version_pattern, "toy (\\d+)");
  ASSERT_TRUE(toy.compile);
  EXPECT_THAT(toy.compile->argv, ElementsAre("{tool}", "{source}"));
  EXPECT_THAT(toy.compile->env, ElementsAre(Pair("A", "1")));
  EXPECT_EQ(toy.compile->output, "main");
  EXPECT_EQ(toy.compile->memory_bytes, 1LL << 30);
  EXPECT_EQ(toy.compile->processes, 256);
  EXPECT_THAT(toy.run.argv, ElementsAre("./main"));
  ASSERT_TRUE(toy.warm_up);
  EXPECT_EQ(toy.warm_up->mount, "/cache/toy");
  EXPECT_FALSE(toy.available);
}

TEST(ParseLanguage, NamesFileAndLineOfAProblem) {
  EXPECT_EQ(ErrorOf("name = \"Toy\"", "name = \"Toy\"\ncolour = 1"),
            "x.toml:3: 'colour' is not a known key");
  EXPECT_EQ(ErrorOf("output = \"main\"", "output = \"main\"\nprofile = \"x\""),
            "x.toml:15: 'compile.profile' is not a known key");
  EXPECT_EQ(ErrorOf("name = \"Toy\"", "name = 7"), "x.toml:2: 'name' must be a string");
  EXPECT_EQ(ErrorOf("name = \"Toy\"\n", ""), "x.toml:1: the key 'name' is missing");
  EXPECT_EQ(ErrorOf("output = \"main\"\n", ""), "x.toml:12: the key 'compile.output' is missing");
  EXPECT_EQ(ErrorOf("[\"t\", \"toy2\"]", "[\"t\", 2]"),
            "x.toml:3: an element of 'aliases' must be a string");
  EXPECT_EQ(ErrorOf("[\"t\", \"toy2\"]", "\"t\""), "x.toml:3: 'aliases' must be a list of strings");
  EXPECT_EQ(ErrorOf("argv = [\"./main\"]", "argv = []"), "x.toml:20: 'run.argv' must not be empty");
  EXPECT_EQ(ErrorOf("[compile.env]\nA = \"1\"", "env = 3"),
            "x.toml:17: 'compile.env' must be a table");
}

TEST(ParseLanguage, RefusesValuesOutOfRange) {
  EXPECT_THAT(ErrorOf("\"1GiB\"", "\"1GB\""), HasSubstr("x.toml:15: 'compile.memory' must be"));
  EXPECT_THAT(ErrorOf("\"1GiB\"", "\"0MiB\""), HasSubstr("must be a size"));
  EXPECT_THAT(ErrorOf("\"1GiB\"", "\"999999999GiB\""), HasSubstr("must be a size"));
  EXPECT_THAT(ErrorOf("= 256", "= 0"), HasSubstr("must be a whole number from 1 to"));
  EXPECT_THAT(ErrorOf("= 256", "= 2.5"), HasSubstr("must be a whole number from 1 to"));
  EXPECT_THAT(ErrorOf("\"toy\"", "\"Toy!\""), HasSubstr("x.toml:1: 'id' must be"));
  EXPECT_THAT(ErrorOf("\"toy2\"", "\"toy\""), HasSubstr("x.toml:3: 'aliases' repeat"));
  EXPECT_THAT(ErrorOf("\"main.toy\"", "\"../x\""), HasSubstr("x.toml:5: 'source' must be"));
  EXPECT_THAT(ErrorOf("\"main\"", "\"main.toy\""), HasSubstr("must differ from 'source'"));
  EXPECT_THAT(ErrorOf("\"/cache/toy\"", "\"/etc\""), HasSubstr("'warm_up.mount' must be"));
  EXPECT_THAT(ErrorOf("\"/usr/bin/toy\"", "\"bin/toy\""), HasSubstr("'detect.tools' must be"));
  EXPECT_THAT(ErrorOf("(\\d+)", "(\\d+"), HasSubstr("is not a regular expression"));
  EXPECT_THAT(ErrorOf("(\\d+)", "\\d+"), HasSubstr("must have exactly one group"));
  EXPECT_THAT(ErrorOf("A = \"1\"", "\"A=\" = \"1\""), HasSubstr("is not a name of a variable"));
  EXPECT_THAT(ErrorOf("A = \"1\"", "A = \"\\u0000\""), HasSubstr("must not contain a NUL"));
}

TEST(ParseLanguage, OnlyAnInterpreterStartsWarm) {
  std::string interpreted = Replace(kGood, "[run]\n", "[run]\nwarm = true\n");
  EXPECT_EQ(ErrorOf("[run]\n", "[run]\nwarm = true\n"),
            "x.toml:20: 'run.warm' needs a program that opens the source itself");
  const size_t compile = interpreted.find("[compile]");
  interpreted.erase(compile, interpreted.find("[run]") - compile);
  const auto loaded = ParseLanguage(interpreted, "x.toml");
  ASSERT_TRUE(loaded) << loaded.error().message;
  EXPECT_TRUE(loaded->language.run.warm);
  EXPECT_THAT(loaded->language.run.preload, ElementsAre());
  const auto preload = [&](const std::string& list) {
    const auto read =
        ParseLanguage(Replace(interpreted, "warm = true\n", "warm = true\npreload = " + list), "x");
    return read ? "no error" : read.error().message;
  };
  EXPECT_EQ(preload("[\"json\", \"re\"]\n"), "no error");
  EXPECT_EQ(preload("[[\"json\", \"re\"], [\"numpy\"]]\n"), "no error");
  EXPECT_EQ(preload("[[\"json\"], \"numpy\"]\n"),
            "x:14: 'run.preload' must be a list of lists of strings");
  EXPECT_EQ(preload("[[\"json\"], []]\n"), "x:14: 'run.preload' must be names of modules");
  EXPECT_EQ(preload("[\"a,b\"]\n"), "x:14: 'run.preload' must be names of modules");
  EXPECT_EQ(preload("\"json\"\n"), "x:14: 'run.preload' must be a list of strings");
  EXPECT_TRUE(loaded->language.run.fork);
  const auto own =
      ParseLanguage(Replace(interpreted, "warm = true\n", "warm = true\nfork = false\n"), "x");
  ASSERT_TRUE(own) << own.error().message;
  EXPECT_FALSE(own->language.run.fork);
  EXPECT_EQ(preload("[\"json\"]\nfork = false\n"), "x:14: 'run.preload' needs 'warm', and 'fork'");
  EXPECT_EQ(ErrorOf("[run]\n", "[run]\nfork = false\n"), "x.toml:20: 'run.fork' needs 'warm'");
  EXPECT_EQ(ErrorOf("[run]\n", "[run]\nwarm = \"yes\"\n"),
            "x.toml:20: 'run.warm' must be true or false");
  EXPECT_EQ(ErrorOf("[compile]\n", "[compile]\nwarm = true\n"),
            "x.toml:13: 'compile.warm' is not a known key");
}

TEST(ParseLanguage, TakesCompilerArgumentsWithTheirPlaceOnly) {
  const std::string both = "there both or neither";
  EXPECT_THAT(ErrorOf("sample =", "compiler_args = ['-O']\nsample ="), HasSubstr(both));
  EXPECT_THAT(ErrorOf("\"{source}\"", "\"{source}\", \"{compiler_args}\""), HasSubstr(both));
  const std::string placed = Replace(kGood, "\"{source}\"", "\"{compiler_args}\", \"./{source}\"");
  const auto wrong =
      ParseLanguage(Replace(placed, "sample =", "compiler_args = ['(']\nsample ="), "x.toml");
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("x.toml:6: 'compiler_args' is not a regular"));
  const auto loaded =
      ParseLanguage(Replace(placed, "sample =", "compiler_args = ['-O']\nsample ="), "x.toml");
  ASSERT_TRUE(loaded) << loaded.error().message;
  const Step& step = *loaded->language.compile;
  EXPECT_THAT(StepArgv(step, "a/{source}.toy", {"-O", "{source}"}),
              ElementsAre("{tool}", "-O", "{source}", "./a/{source}.toy"));
  EXPECT_THAT(StepArgv(step, "b", {}), ElementsAre("{tool}", "./b"));
  EXPECT_TRUE(AcceptsCompilerArg(loaded->language, "-O"));
  EXPECT_FALSE(AcceptsCompilerArg(loaded->language, "-OO"));
}

TEST(ParseLanguage, RefusesBrokenToml) {
  EXPECT_THAT(ErrorOf("name = \"Toy\"", "name = \"Toy"), HasSubstr("x.toml:2: "));
  EXPECT_THAT(ErrorOf("name = \"Toy\"", "name = \"Toy\"\nname = \"Toy\""), HasSubstr("x.toml:3: "));
}

TEST(Expand, ReplacesEveryPlaceholderOnce) {
  EXPECT_EQ(Expand("{a}-{a}", "{a}", "{a}{a}"), "{a}{a}-{a}{a}");
  EXPECT_EQ(Expand("none", "{a}", "x"), "none");
}

class RegistryLoad : public testing::Test {
 protected:
  RegistryLoad() : folder_(testing::TempDir() + "/languages-" + base::RandomId()) {
    fs::create_directories(folder_);
  }

  ~RegistryLoad() override { fs::remove_all(folder_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(folder_ / name) << text;
  }

  fs::path folder_;
};

TEST_F(RegistryLoad, FindsByIdAndAlias) {
  Write("toy.toml", kGood);
  Write("README.md", "not a language");
  const auto registry = Registry::Load(folder_);
  ASSERT_TRUE(registry) << registry.error().message;
  ASSERT_EQ(registry->all().size(), 1U);
  EXPECT_EQ(registry->Find("toy"), &registry->all()[0]);
  EXPECT_EQ(registry->Find("t"), &registry->all()[0]);
  EXPECT_EQ(registry->Find("T"), nullptr);
  EXPECT_EQ(registry->Find(""), nullptr);
}

TEST(Languages, TheShippedFilesAreValid) {
  const auto registry = Registry::Load(SOURCE_DIR "/config/languages");
  ASSERT_TRUE(registry) << registry.error().message;
  ASSERT_NE(registry->Find("go"), nullptr);
  EXPECT_EQ(registry->Find("golang"), registry->Find("go"));
  ASSERT_NE(registry->Find("python"), nullptr);
  EXPECT_EQ(registry->Find("py"), registry->Find("python"));
}

TEST_F(RegistryLoad, RefusesANameThatIsTaken) {
  Write("a.toml", kGood);
  Write("b.toml", Replace(Replace(kGood, "\"toy\"", "\"other\""), "\"toy2\"", "\"other2\""));
  const auto registry = Registry::Load(folder_);
  ASSERT_FALSE(registry);
  EXPECT_EQ(registry.error().message, (folder_ / "b.toml").string() +
                                          ":3: the name 't' is already taken at " +
                                          (folder_ / "a.toml").string() + ":3");
}

TEST_F(RegistryLoad, RefusesAFolderWithoutLanguages) {
  EXPECT_THAT(Registry::Load(folder_).error().message, HasSubstr("holds no language file"));
  EXPECT_EQ(Registry::Load(folder_ / "absent").error().kind, base::ErrorKind::kNotFound);
}

}  // namespace
}  // namespace language
