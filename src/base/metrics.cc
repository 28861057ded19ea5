#include "base/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/family.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <mutex>
#include <sstream>
#include <unordered_map>
#include <utility>

namespace base {
namespace {

prometheus::Registry& Registry() {
  static prometheus::Registry registry;
  return registry;
}

// A family and its series by their label values: looking one up here spares the family's own map of
// maps.
template <typename T>
class Series {
 public:
  Series(prometheus::Family<T>& family, std::vector<std::string> labels)
      : family_(family), labels_(std::move(labels)) {}

  template <typename... Args>
  T& Get(LabelValues values, const Args&... args) {
    std::string key;
    for (const std::string_view value : values) {
      key.append(value).push_back('\0');
    }
    const std::lock_guard lock(mutex_);
    if (const auto found = series_.find(key); found != series_.end()) {
      return *found->second;
    }
    const bool other = series_.size() + 1 >= kMaxSeries;
    prometheus::Labels labels;
    auto value = values.begin();
    for (const std::string& label : labels_) {
      labels[label] = other ? "other" : std::string(*value);
      ++value;
    }
    T& made = family_.Add(labels, args...);  // the same one for the same labels
    if (!other) {
      series_.emplace(std::move(key), &made);
    }
    return made;
  }

 private:
  prometheus::Family<T>& family_;
  const std::vector<std::string> labels_;
  std::mutex mutex_;
  std::unordered_map<std::string, T*> series_;
};

}  // namespace

struct Counter::Impl : Series<prometheus::Counter> {
  using Series::Series;
};

struct Gauge::Impl : Series<prometheus::Gauge> {
  using Series::Series;
};

struct Histogram::Impl : Series<prometheus::Histogram> {
  Impl(prometheus::Family<prometheus::Histogram>& family, std::vector<std::string> labels,
       std::vector<double> limits)
      : Series(family, std::move(labels)), bounds(std::move(limits)) {}

  const std::vector<double> bounds;
};

Counter::Counter(const std::string& name, const std::string& help, std::vector<std::string> labels)
    : impl_(std::make_unique<Impl>(
          prometheus::BuildCounter().Name(name).Help(help).Register(Registry()),
          std::move(labels))) {}

Counter::~Counter() = default;

void Counter::Add(LabelValues values, double n) {
  impl_->Get(values).Increment(n);
}

Gauge::Gauge(const std::string& name, const std::string& help, std::vector<std::string> labels)
    : impl_(std::make_unique<Impl>(
          prometheus::BuildGauge().Name(name).Help(help).Register(Registry()), std::move(labels))) {
}

Gauge::~Gauge() = default;

void Gauge::Set(LabelValues values, double value) {
  impl_->Get(values).Set(value);
}

Histogram::Histogram(const std::string& name, const std::string& help,
                     std::vector<std::string> labels, std::vector<double> bounds)
    : impl_(std::make_unique<Impl>(
          prometheus::BuildHistogram().Name(name).Help(help).Register(Registry()),
          std::move(labels), std::move(bounds))) {}

Histogram::~Histogram() = default;

void Histogram::Observe(LabelValues values, double value) {
  impl_->Get(values, impl_->bounds).Observe(value);
}

std::vector<double> TimeBounds() {
  return {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60};
}

std::string MetricsText() {
  std::ostringstream out;
  prometheus::TextSerializer().Serialize(out, Registry().Collect());
  return out.str();
}

}  // namespace base
