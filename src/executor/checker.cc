#include "executor/checker.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"

namespace executor {
namespace {

using job::Difference;

constexpr size_t kExcerpt = 200;  // bytes that are shown of a line or a token

bool IsSpace(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\v' || c == '\f';
}

std::string Excerpt(std::string_view text) {
  const std::string_view shown = base::TruncateUtf8(text, kExcerpt);
  return std::string(shown) + (shown.size() < text.size() ? "..." : "");
}

Difference At(int64_t line, std::string_view expected, std::string_view actual) {
  return {line, Excerpt(expected), Excerpt(actual)};
}

std::string_view TrimEnd(std::string_view text) {
  while (!text.empty() && IsSpace(text.back())) {
    text.remove_suffix(1);
  }
  return text;
}

// Takes the first line off; without its newline.
std::string_view NextLine(std::string_view* text) {
  const size_t end = text->find('\n');
  const std::string_view line = text->substr(0, end);
  text->remove_prefix(end == std::string_view::npos ? text->size() : end + 1);
  return line;
}

std::optional<Difference> CompareExact(std::string_view expected, std::string_view actual) {
  if (expected == actual) {
    return std::nullopt;
  }
  for (int64_t line = 1;; ++line) {
    const bool ended[] = {expected.empty(), actual.empty()};
    const std::string_view wanted = NextLine(&expected);
    const std::string_view got = NextLine(&actual);
    // When the lines agree as far as they go, it is the final newline of one that differs.
    if (wanted != got || ended[0] || ended[1] || (expected.empty() && actual.empty())) {
      return At(line, wanted, got);
    }
  }
}

std::optional<Difference> CompareLines(std::string_view expected, std::string_view actual) {
  expected = TrimEnd(expected);
  actual = TrimEnd(actual);
  for (int64_t line = 1; !expected.empty() || !actual.empty(); ++line) {
    const std::string_view wanted = TrimEnd(NextLine(&expected));
    const std::string_view got = TrimEnd(NextLine(&actual));
    if (wanted != got) {
      return At(line, wanted, got);
    }
  }
  return std::nullopt;
}

// Goes through a text token by token; empty at the end.
class Tokens {
 public:
  explicit Tokens(std::string_view text) : text_(text) {}

  std::string_view Next() {
    while (!text_.empty() && IsSpace(text_.front())) {
      line_ += text_.front() == '\n' ? 1 : 0;
      text_.remove_prefix(1);
    }
    size_t size = 0;
    while (size < text_.size() && !IsSpace(text_[size])) {
      ++size;
    }
    const std::string_view token = text_.substr(0, size);
    text_.remove_prefix(size);
    return token;
  }

  int64_t line() const { return line_; }

 private:
  std::string_view text_;
  int64_t line_ = 1;
};

std::optional<double> Number(std::string_view token) {
  if (!token.empty() && token.front() == '+') {
    token.remove_prefix(1);
  }
  double value = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), value);
  if (error != std::errc() || end != token.data() + token.size() || !std::isfinite(value)) {
    return std::nullopt;
  }
  return value;
}

bool IsNear(std::string_view wanted, std::string_view got, double tolerance) {
  const std::optional<double> a = Number(wanted);
  const std::optional<double> b = Number(got);
  return a && b && std::abs(*a - *b) <= tolerance * std::max(1.0, std::abs(*a));
}

std::optional<Difference> CompareTokens(std::string_view expected, std::string_view actual,
                                        std::optional<double> tolerance) {
  Tokens wanted_tokens(expected);
  Tokens got_tokens(actual);
  for (;;) {
    const std::string_view wanted = wanted_tokens.Next();
    const std::string_view got = got_tokens.Next();
    if (wanted != got && !(tolerance && IsNear(wanted, got, *tolerance))) {
      return At(got.empty() ? wanted_tokens.line() : got_tokens.line(), wanted, got);
    }
    if (wanted.empty()) {
      return std::nullopt;
    }
  }
}

// A text's lines in the order of their content. Offsets, so that many short lines cost little.
class SortedLines {
 public:
  explicit SortedLines(std::string_view text) : text_(TrimEnd(text)) {
    for (size_t at = 0; at < text_.size();) {
      starts_.push_back(static_cast<uint32_t>(at));
      const size_t end = text_.find('\n', at);
      at = end == std::string_view::npos ? text_.size() : end + 1;
    }
    std::sort(starts_.begin(), starts_.end(), [this](uint32_t a, uint32_t b) {
      const int order = Text(a).compare(Text(b));
      return order != 0 ? order < 0 : a < b;
    });
  }

  size_t size() const { return starts_.size(); }

  uint32_t start(size_t i) const { return starts_[i]; }

  std::string_view Text(uint32_t start) const {
    std::string_view rest = text_.substr(start);
    return TrimEnd(NextLine(&rest));
  }

  int64_t Number(uint32_t start) const {
    return 1 + std::count(text_.begin(), text_.begin() + start, '\n');
  }

 private:
  std::string_view text_;
  std::vector<uint32_t> starts_;
};

// The first line of the answer that is not wanted, and the first one that is missing.
std::optional<Difference> CompareUnordered(std::string_view expected, std::string_view actual) {
  const SortedLines wanted(expected);
  const SortedLines got(actual);
  std::optional<uint32_t> missing;
  std::optional<uint32_t> surplus;
  const auto note = [](uint32_t start, std::optional<uint32_t>* first) {
    *first = std::min(first->value_or(start), start);
  };
  size_t i = 0;
  size_t j = 0;
  while (i < wanted.size() || j < got.size()) {
    const int order = j == got.size() ? -1
                      : i == wanted.size()
                          ? 1
                          : wanted.Text(wanted.start(i)).compare(got.Text(got.start(j)));
    if (order < 0) {
      note(wanted.start(i), &missing);
    } else if (order > 0) {
      note(got.start(j), &surplus);
    }
    i += order <= 0 ? 1 : 0;
    j += order >= 0 ? 1 : 0;
  }
  if (!missing && !surplus) {
    return std::nullopt;
  }
  return At(surplus ? got.Number(*surplus) : wanted.Number(*missing),
            missing ? wanted.Text(*missing) : "", surplus ? got.Text(*surplus) : "");
}

}  // namespace

std::optional<Difference> Compare(job::Checker checker, double tolerance, std::string_view expected,
                                  std::string_view actual) {
  switch (checker) {
    case job::Checker::kLines:
      return CompareLines(expected, actual);
    case job::Checker::kExact:
      return CompareExact(expected, actual);
    case job::Checker::kTokens:
      return CompareTokens(expected, actual, std::nullopt);
    case job::Checker::kFloats:
      return CompareTokens(expected, actual, tolerance);
    case job::Checker::kUnorderedLines:
      return CompareUnordered(expected, actual);
    case job::Checker::kProgram:
      break;
  }
  return CompareExact(expected, actual);
}

}  // namespace executor
