#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

// Numbers about this process, as Prometheus reads them. One registry a process: metrics are made
// once, as function-local statics of the file that counts, and never go. Thread-safe.
//
// Label values must come from a small set: never a job's id, a path or anything else that a client
// makes up. From the kMaxSeries-th on, values become "other".
namespace base {

using LabelValues = std::initializer_list<std::string_view>;

constexpr size_t kMaxSeries = 500;  // of one metric

// A number that only grows. By convention its name ends with _total.
class Counter {
 public:
  Counter(const std::string& name, const std::string& help, std::vector<std::string> labels = {});
  ~Counter();

  // As many values as labels, in their order.
  void Add(LabelValues values = {}, double n = 1);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// A number that goes up and down.
class Gauge {
 public:
  Gauge(const std::string& name, const std::string& help, std::vector<std::string> labels = {});
  ~Gauge();

  void Set(LabelValues values, double value);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// How often values up to each bound were seen. By convention in seconds or bytes, and the name says
// so.
class Histogram {
 public:
  Histogram(const std::string& name, const std::string& help, std::vector<std::string> labels,
            std::vector<double> bounds);
  ~Histogram();

  void Observe(LabelValues values, double value);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Bounds for times from a millisecond to a minute, in seconds.
std::vector<double> TimeBounds();

// Everything in Prometheus's text format, version 0.0.4.
std::string MetricsText();

}  // namespace base
