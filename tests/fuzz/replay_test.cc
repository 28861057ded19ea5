// The fuzz targets without libFuzzer: every input of the corpus, each of its beginnings and each
// with a few bytes changed. A finding of a fuzzer becomes a file of the corpus and stays fixed.

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "fuzz.h"

namespace {

constexpr size_t kMostCuts = 64;
constexpr int kMutations = 64;

std::vector<std::string> Corpus(const std::string& name) {
  std::vector<std::string> inputs;
  for (const auto& entry : std::filesystem::directory_iterator(std::string(SOURCE_DIR) +
                                                               "/tests/fuzz/corpus/" + name)) {
    std::ifstream file(entry.path(), std::ios::binary);
    inputs.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  return inputs;
}

TEST(Fuzz, CorpusReplays) {
  std::mt19937 random(1);  // NOLINT: the same changes every time
  size_t runs = 0;
  for (const fuzz::Target& target : fuzz::Targets()) {
    const std::vector<std::string> inputs = Corpus(target.name);
    EXPECT_FALSE(inputs.empty()) << "tests/fuzz/corpus/" << target.name << " is empty";
    for (const std::string& input : inputs) {
      SCOPED_TRACE(target.name);
      const size_t step = std::max<size_t>(1, input.size() / kMostCuts);
      for (size_t size = 0; size < input.size(); size += step) {
        target.run(std::string_view(input).substr(0, size));
        ++runs;
      }
      target.run(input);
      for (int i = 0; i < kMutations && !input.empty(); ++i) {
        std::string changed = input;
        for (int k = 0; k <= i % 4; ++k) {
          changed[random() % changed.size()] = static_cast<char>(random());
        }
        target.run(changed);
        ++runs;
      }
    }
  }
  EXPECT_GT(runs, 1000U);
}

}  // namespace
