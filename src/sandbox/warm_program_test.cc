#include "sandbox/warm_program.h"

#include <gtest/gtest.h>

#include <memory>

namespace sandbox {
namespace {

// Programs as they are made of the language files: Python's, the same with modules loaded for those
// who import them, and one that is started in each sandbox anew.
class WarmNumberTest : public ::testing::Test {
 protected:
  WarmNumberTest() {
    WarmProgram plain{"main.py", {"/usr/bin/python3", "main.py"}, {{"LANG", "C"}}, {"json"}, {}};
    WarmProgram loaded = plain;
    loaded.preload = {"json", "numpy"};
    loaded.imports = {"numpy", "scipy"};
    WarmProgram node{"main.js", {"/usr/bin/node", "main.js"}, {}, {}, {}};
    node.forks = false;
    programs_ = {plain, loaded, node};
  }

  static Spec Run(const WarmProgram& program, const std::string& source) {
    Spec spec;
    spec.argv = program.argv;
    spec.env = program.env;
    spec.files.push_back({program.source, false, source, nullptr});
    spec.limits.memory_bytes = 256 << 20;
    spec.limits.processes = 64;
    return spec;
  }

  Spec Python(const std::string& source = "print(1)") const { return Run(programs_[0], source); }

  Spec Node() const { return Run(programs_[2], "console.log(1)"); }

  uint32_t Number(const Spec& spec) const { return WarmNumber(spec, programs_); }

  std::vector<WarmProgram> programs_;
};

TEST_F(WarmNumberTest, TakesTheProgramOfTheVeryCommand) {
  EXPECT_EQ(Number(Python()), 1U);
  EXPECT_EQ(Number(Node()), 3U);
  Spec spec = Python();
  spec.argv.emplace_back("argument");
  EXPECT_EQ(Number(spec), 0U);
  spec = Python();
  spec.env.emplace_back("PYTHONPATH", "/box");
  EXPECT_EQ(Number(spec), 0U);
  spec = Python();
  spec.files[0].path = "other.py";
  EXPECT_EQ(Number(spec), 0U) << "the file is opened by its name";
  spec = Python();
  spec.profile = Profile::kCompile;
  EXPECT_EQ(Number(spec), 0U);
  EXPECT_EQ(WarmNumber(Python(), {}), 0U);
}

TEST_F(WarmNumberTest, ModulesAreLoadedForThoseWhoImportThem) {
  for (const char* source :
       {"import numpy", "import os, numpy as np\nprint(1)", "from numpy import array",
        "from numpy.linalg import norm", "if True:\n    import scipy.stats",
        "import os\r\nimport numpy\r\n", "import\tnumpy\nimport  numpy"}) {
    EXPECT_EQ(Number(Python(source)), 2U) << source;
  }
  for (const char* source : {"", "import", "import ", "import numpyro", "print('import numpy')",
                             "# import numpy", "from os import numpy", "import os,", "numpy = 1"}) {
    EXPECT_EQ(Number(Python(source)), 1U) << source;
  }
}

TEST_F(WarmNumberTest, FilesThatWouldHaveChangedTheStartMakeItCold) {
  const auto beside = [](Spec spec, const std::string& path) {
    spec.files.push_back({path, false, "", nullptr});
    return spec;
  };
  EXPECT_EQ(Number(beside(Python(), "data.txt")), 1U);
  for (const char* path : {"json.py", "json", "json/__init__.py", "json.cpython-311.so"}) {
    EXPECT_EQ(Number(beside(Python(), path)), 0U) << path;
  }
  EXPECT_EQ(Number(beside(Python(), "package.json")), 1U);
  EXPECT_EQ(Number(beside(Node(), "package.json")), 0U);
  EXPECT_EQ(Number(beside(Node(), "sub/package.json")), 3U);
  EXPECT_EQ(Number(beside(Python("import numpy"), "numpy.py")), 1U)
      << "the job's own module, which only the other program has not loaded";
  EXPECT_EQ(Number(Python("PK\x05\x06")), 0U) << "an archive of modules";
  Spec binary = Python();
  binary.files[0].fd = std::make_shared<base::UniqueFd>();
  EXPECT_EQ(Number(binary), 0U) << "nobody has looked into it";
}

TEST_F(WarmNumberTest, ItNeedsRoomForWhatItHoldsAlready) {
  Spec python = Python();
  Spec node = Node();
  python.limits.memory_bytes = node.limits.memory_bytes = 32 << 20;
  EXPECT_EQ(Number(python), 1U);
  EXPECT_EQ(Number(node), 0U);
  python.limits.memory_bytes -= 1;
  EXPECT_EQ(Number(python), 0U);
  node = Node();
  node.limits.processes = 15;
  EXPECT_EQ(Number(node), 0U);
}

TEST_F(WarmNumberTest, PythonHasLookedAtItsStdin) {
  Spec python = Python();
  Spec node = Node();
  python.live_input = node.live_input = true;
  EXPECT_EQ(Number(python), 0U);
  EXPECT_EQ(Number(node), 3U);
  node.terminal = TerminalSize{};
  EXPECT_EQ(Number(node), 0U);
}

}  // namespace
}  // namespace sandbox
