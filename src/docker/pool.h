#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

// Which containers there are, what they can run, and which one gets the next job. Plain logic: no
// loop, no Docker. Not thread-safe.
namespace docker {

using LanguageContainers = std::map<std::string, std::vector<std::string>>;

// SANDBOX_LANGUAGE_CONTAINERS: "go=a|b|c,python=d|e". An error says what is accepted.
base::Result<LanguageContainers> ParseLanguageContainers(std::string_view text);

// A running container as `docker ps` lists it.
struct Listed {
  std::string id;
  std::string name;
  std::string status;                  // running or paused
  std::vector<std::string> languages;  // of the label sandbox.language, separated by commas there
};

// A line each: id, name, state and label, separated by tabs. Lines that are not of this form are
// left out; so is what goes beyond a bound.
std::vector<Listed> ParseListed(std::string_view output);

// The entry for a container that is known by its name or by its id; null when there is none.
const Listed* FindListed(const std::vector<Listed>& listed, const std::string& name);

// By their labels.
LanguageContainers Discover(const std::vector<Listed>& listed);

// What `docker inspect` said.
struct Inspected {
  std::string id;
  std::string status;  // running, paused, exited
  std::string image;
  std::set<std::string> networks;
  bool bounds_memory = false;  // by a limit of the container's own
};

base::Result<Inspected> ParseInspected(std::string_view output);

// What tells a container from others inside: the first digits of its id.
uint64_t SpaceOf(const std::string& id);

struct Container {
  enum class State { kDown, kChecking, kUp, kDraining };

  std::string name;
  std::set<std::string> languages;  // that it is meant for; empty: all
  std::string id;                   // of the last inspection
  std::string image;
  bool bounds_memory = false;
  State state = State::kDown;
  std::string error;                           // why it is not up
  std::set<std::string> ready;                 // languages that it has shown to have
  std::map<std::string, std::string> lacking;  // language: why not
  int running = 0;                             // in slots
  int live = 0;                                // runs that are fed while they run: beside the slots
  int64_t jobs = 0;                            // so far
  bool wanted = true;  // configured or discovered; else it goes once nothing runs
};

const char* StateName(Container::State state);

class Pool {
 public:
  explicit Pool(int slots) : slots_(slots) {}

  // Brings the set of containers in line: new ones begin as down, missing ones are not wanted any
  // more. `single`, unless empty, serves all languages.
  void Set(const LanguageContainers& by_language, const std::string& single = "");

  Container* Find(const std::string& name);

  // The one with the most free slots that has the language ready, of those the one that has had the
  // fewest jobs; null when there is none. A live run needs no slot: whoever asks for one bounds
  // their number, and what it talks with may have the last slot.
  Container* Choose(const std::string& language, bool live);

  // True when a container for the language is up, even if all its slots are taken.
  bool HasUp(const std::string& language) const;

  // Why the language has no container that is up: one sentence a container.
  std::string WhyNot(const std::string& language) const;

  // Drops containers that are not wanted any more and have nothing running.
  void Prune();

  const std::vector<Container>& all() const { return containers_; }

  std::vector<Container>& all() { return containers_; }

  int slots() const { return slots_; }

 private:
  Container* Add(const std::string& name);

  int slots_;
  std::vector<Container> containers_;
};

}  // namespace docker
