#pragma once

#include <cerrno>
#include <cstring>
#include <optional>
#include <string>
#include <utility>
#include <variant>

// Result<T> carries a value or an Error. It mirrors std::expected's names so that C++23 can replace
// it by an alias. Values are immutable to share, not thread-safe to mutate.
namespace base {

enum class ErrorKind {
  kInvalidArgument,  // the caller's input is wrong
  kNotFound,
  kConflict,     // the state does not allow it (stale token, already finished)
  kExhausted,    // a bound is reached (queue full, too many connections)
  kUnavailable,  // a dependency is away, try again later
  kDeadline,
  kInternal,
};

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;  // one plain sentence without a newline; safe to show to an operator
  int sys_errno = 0;    // 0 when no system call was involved
};

inline Error InvalidArgument(std::string message) {
  return {ErrorKind::kInvalidArgument, std::move(message), 0};
}

inline Error Internal(std::string message) {
  return {ErrorKind::kInternal, std::move(message), 0};
}

// An error from errno: "open /x/y: Permission denied".
Error SysError(std::string what, int err);

template <typename T>
class [[nodiscard]] Result {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor): as std::expected
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}

  // NOLINTNEXTLINE(google-explicit-constructor): as std::expected
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

  bool has_value() const { return state_.index() == 0; }

  explicit operator bool() const { return has_value(); }

  // REQUIRES: has_value().
  T& value() & { return std::get<0>(state_); }

  const T& value() const& { return std::get<0>(state_); }

  T&& value() && { return std::get<0>(std::move(state_)); }

  T& operator*() & { return value(); }

  const T& operator*() const& { return value(); }

  T&& operator*() && { return std::move(*this).value(); }

  T* operator->() { return &value(); }

  const T* operator->() const { return &value(); }

  // REQUIRES: !has_value().
  Error& error() { return std::get<1>(state_); }

  const Error& error() const { return std::get<1>(state_); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;

  // NOLINTNEXTLINE(google-explicit-constructor): as std::expected
  Result(Error error) : error_(std::move(error)) {}

  bool has_value() const { return !error_.has_value(); }

  explicit operator bool() const { return has_value(); }

  Error& error() { return *error_; }

  const Error& error() const { return *error_; }

 private:
  std::optional<Error> error_;
};

}  // namespace base
