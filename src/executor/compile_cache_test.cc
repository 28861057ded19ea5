#include "executor/compile_cache.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <boost/asio/io_context.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

namespace executor {
namespace {

namespace fs = std::filesystem;

class CompileCacheTest : public testing::Test {
 protected:
  CompileCacheTest() {
    std::string folder = (fs::temp_directory_path() / "compile-cache-test-XXXXXX").string();
    folder_ = ::mkdtemp(folder.data());
    Open();
  }

  ~CompileCacheTest() override {
    cache_.reset();
    fs::remove_all(folder_);
  }

  void Open(int64_t max_bytes = 1 << 20) {
    cache_.reset();
    auto opened = CompileCache::Open(loop_, folder_.string(), max_bytes);
    ASSERT_TRUE(opened) << opened.error().message;
    cache_ = std::move(*opened);
  }

  // Runs the loop until `done`, for 10 seconds at most.
  template <typename Done>
  bool Until(Done done) {
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    while (!done() && std::chrono::steady_clock::now() < end) {
      loop_.restart();
      const auto work = boost::asio::make_work_guard(loop_);
      loop_.run_one_for(std::chrono::milliseconds(10));
    }
    return done();
  }

  std::shared_ptr<const CompiledProgram> Find(const std::string& key) {
    std::optional<std::shared_ptr<const CompiledProgram>> found;
    cache_->Find(key, [&](std::shared_ptr<const CompiledProgram> program) { found = program; });
    EXPECT_TRUE(Until([&] { return found.has_value(); }));
    return found.value_or(nullptr);
  }

  void Store(const std::string& key, const std::string& content, std::string warning = "",
             bool seal = true) {
    auto binary =
        std::make_shared<base::UniqueFd>(::memfd_create("binary", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    ASSERT_EQ(::write(binary->get(), content.data(), content.size()),
              static_cast<ssize_t>(content.size()));
    if (seal) {
      ASSERT_EQ(::fcntl(binary->get(), F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    }
    job::CompileResult compile;
    compile.exit_code = 0;
    compile.stderr_data = std::move(warning);
    compile.usage.cpu_time = 5;
    cache_->Store(key, compile, binary);
  }

  // Until the entry is on disk.
  void StoreAndWait(const std::string& key, const std::string& content) {
    Store(key, content);
    ASSERT_TRUE(Until([&] { return IsOnDisk(key); }));
    ASSERT_NE(Find(key), nullptr);
  }

  bool IsOnDisk(const std::string& key) const { return fs::exists(folder_ / (key + ".json")); }

  static std::string Content(const CompiledProgram& program) {
    std::string text(1 << 16, '\0');
    const ssize_t n = ::pread(program.binary->get(), text.data(), text.size(), 0);
    text.resize(n < 0 ? 0 : static_cast<size_t>(n));
    return text;
  }

  static std::string Key(const std::string& code) {
    CompileInput input;
    input.files.emplace_back("main.x", code);
    return CompileCache::Key(input);
  }

  std::set<std::string> Files() const {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(folder_)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  void Overwrite(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name, std::ios::binary | std::ios::trunc) << content;
  }

  boost::asio::io_context loop_;
  fs::path folder_;
  std::unique_ptr<CompileCache> cache_;
};

TEST_F(CompileCacheTest, KeyTellsEveryInputApart) {
  CompileInput input{"go 1", {"go", "build"}, {{"A", "1"}}, {{"main.go", "x"}}};
  std::set<std::string> keys{CompileCache::Key(input)};
  const auto other = [&](const std::function<void(CompileInput&)>& change) {
    CompileInput changed = input;
    change(changed);
    EXPECT_TRUE(keys.insert(CompileCache::Key(changed)).second);
  };
  other([](CompileInput& i) { i.toolchain = "go 2"; });
  other([](CompileInput& i) { i.argv = {"gobuild"}; });
  other([](CompileInput& i) { i.argv = {"go", "build", ""}; });
  other([](CompileInput& i) { i.env[0] = {"A", "2"}; });
  other([](CompileInput& i) { i.env[0] = {"A1", ""}; });
  other([](CompileInput& i) { i.files[0].second = "y"; });
  other([](CompileInput& i) { i.files[0].first = "other.go"; });
  other([](CompileInput& i) { std::swap(i.env, i.files); });
  EXPECT_EQ(*keys.begin(), *keys.begin());
  EXPECT_EQ(keys.count(CompileCache::Key(input)), 1U);
}

TEST_F(CompileCacheTest, FindsWhatWasStoredAlsoAfterARestart) {
  EXPECT_EQ(Find(Key("a")), nullptr);
  Store(Key("a"), "binary of a", "a warning");
  ASSERT_TRUE(Until([&] { return Find(Key("a")) != nullptr; }));
  for (int start = 0; start < 2; ++start) {
    const auto program = Find(Key("a"));
    ASSERT_NE(program, nullptr);
    EXPECT_EQ(Content(*program), "binary of a");
    EXPECT_EQ(program->compile.stderr_data, "a warning");
    EXPECT_EQ(program->compile.exit_code, 0);
    EXPECT_TRUE(program->compile.cached);
    EXPECT_EQ(program->compile.usage.cpu_time, 0);
    Open();
  }
}

TEST_F(CompileCacheTest, AnswersFromWithinTheCallWhenTheProgramIsOpen) {
  StoreAndWait(Key("a"), "binary");
  bool answered = false;
  cache_->Find(Key("a"), [&](const auto& program) { answered = program != nullptr; });
  EXPECT_TRUE(answered);
}

TEST_F(CompileCacheTest, WhatIsStoredIsFoundAtOnceAndWrittenLater) {
  Store(Key("a"), "binary", "a warning");
  std::shared_ptr<const CompiledProgram> found;
  cache_->Find(Key("a"), [&](std::shared_ptr<const CompiledProgram> program) { found = program; });
  ASSERT_NE(found, nullptr);
  EXPECT_EQ(Content(*found), "binary");
  EXPECT_EQ(found->compile.stderr_data, "a warning");
  EXPECT_TRUE(found->compile.cached);
  EXPECT_EQ(found->compile.usage.cpu_time, 0);
  EXPECT_TRUE(Files().empty());
  EXPECT_TRUE(Until([&] { return IsOnDisk(Key("a")); }));
}

TEST_F(CompileCacheTest, WritesAtItsEndWhatWasJustStored) {
  Store(Key("a"), "binary of a");
  Store(Key("b"), "binary of b");
  Open();
  EXPECT_EQ(Files().size(), 4U);
  const auto program = Find(Key("b"));
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(Content(*program), "binary of b");
}

TEST_F(CompileCacheTest, WhatIsPushedOutBeforeItIsWrittenIsGone) {
  const std::string big(300'000, 'x');
  Open(700'000);
  for (const char* code : {"a", "b", "c"}) {
    Store(Key(code), big);
  }
  EXPECT_EQ(Find(Key("a")), nullptr);
  Store(Key("a"), "small");  // anew: what is written is this one
  EXPECT_TRUE(
      Until([&] { return IsOnDisk(Key("b")) && IsOnDisk(Key("c")) && IsOnDisk(Key("a")); }));
  Open(700'000);
  EXPECT_EQ(Files().size(), 6U);
  const auto program = Find(Key("a"));
  ASSERT_NE(program, nullptr);
  EXPECT_EQ(Content(*program), "small");
}

TEST_F(CompileCacheTest, WhatCannotBeWrittenIsForgotten) {
  fs::create_directory(folder_ / (Key("a") + ".new"));  // in the way
  Store(Key("a"), "binary");
  EXPECT_TRUE(Until([&] { return Find(Key("a")) == nullptr; }));
}

TEST_F(CompileCacheTest, KeepsNothingThatSomebodyCouldChange) {
  Store(Key("a"), "binary", "", false);
  EXPECT_EQ(Find(Key("a")), nullptr);
}

TEST_F(CompileCacheTest, DropsWhatWasNotUsedForLongest) {
  const std::string big(300'000, 'x');
  StoreAndWait(Key("a"), big);
  StoreAndWait(Key("b"), big);
  StoreAndWait(Key("c"), big);
  EXPECT_NE(Find(Key("a")), nullptr);
  StoreAndWait(Key("d"), big);
  EXPECT_EQ(Find(Key("b")), nullptr);
  EXPECT_NE(Find(Key("a")), nullptr);
  EXPECT_TRUE(Until([&] { return Files().count(Key("b")) == 0; }));
  Open(700'000);
  EXPECT_TRUE(Until([&] { return Files().size() == 4; }));
}

TEST_F(CompileCacheTest, DoesNotKeepWhatIsLargerThanItself) {
  Open(10'000);
  Store(Key("a"), std::string(20'000, 'x'));
  StoreAndWait(Key("b"), "small");
  EXPECT_EQ(Find(Key("a")), nullptr);
  EXPECT_EQ(Files().size(), 2U);
}

TEST_F(CompileCacheTest, SmallProgramsCountForTheRoomThatTheyTake) {
  constexpr int kPrograms = 20;
  Open(64 << 10);
  for (int i = 0; i < kPrograms; ++i) {
    StoreAndWait(Key(std::to_string(i)), "x");
  }
  // Two files of a block each.
  EXPECT_TRUE(Until([&] { return Files().size() == 16; })) << Files().size();
  Open(64 << 10);
  EXPECT_EQ(Files().size(), 16U);
}

TEST_F(CompileCacheTest, ManySmallProgramsHoldFewDescriptors) {
  constexpr size_t kPrograms = 200;
  const auto descriptors = [] {
    const fs::directory_iterator all("/proc/self/fd");
    return std::distance(begin(all), end(all));
  };
  Open(16 << 20);
  const auto before = descriptors();
  for (size_t i = 0; i < kPrograms; ++i) {
    Store(Key(std::to_string(i)), "x");
  }
  EXPECT_TRUE(Until([&] { return Files().size() == 2 * kPrograms; })) << Files().size();
  const auto most = before + static_cast<long>(kPrograms / 2);
  EXPECT_TRUE(Until([&] { return descriptors() < most; })) << descriptors();
  EXPECT_NE(Find(Key("0")), nullptr);
}

TEST_F(CompileCacheTest, ADamagedEntryIsAbsentAndRemoved) {
  const std::string key = Key("a");
  for (const std::string& name : {key, key + ".json"}) {
    StoreAndWait(key, "binary");
    Open();  // closes the descriptor
    Overwrite(name, "damaged");
    EXPECT_EQ(Find(key), nullptr) << name;
    EXPECT_TRUE(Until([&] { return Files().empty(); })) << name;
  }
}

TEST_F(CompileCacheTest, RemovesWhatAnInterruptedWriteLeft) {
  StoreAndWait(Key("a"), "binary");
  Overwrite(Key("b"), "no notes");
  Overwrite(Key("c") + ".json", "no binary");
  Overwrite(Key("d") + ".new", "half");
  Overwrite("somebody else's", "kept");
  Open();
  EXPECT_EQ(Files(), (std::set<std::string>{Key("a"), Key("a") + ".json", "somebody else's"}));
  EXPECT_NE(Find(Key("a")), nullptr);
}

TEST_F(CompileCacheTest, AProgramInUseOutlivesItsEntry) {
  StoreAndWait(Key("a"), "binary");
  const auto program = Find(Key("a"));
  Open(0);
  EXPECT_TRUE(Until([&] { return Files().empty(); }));
  EXPECT_EQ(Content(*program), "binary");
}

}  // namespace
}  // namespace executor
