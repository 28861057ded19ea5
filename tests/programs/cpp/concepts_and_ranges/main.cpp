#include <concepts>
#include <iostream>
#include <memory>
#include <ranges>
#include <vector>

template <std::integral T>
T Twice(T value) {
    return value + value;
}

struct Shape {
    virtual ~Shape() = default;
    virtual double area() const = 0;
};

struct Square : Shape {
    explicit Square(double side) : side(side) {}
    double area() const override { return side * side; }
    double side;
};

int main() {
    std::vector<int> numbers{1, 2, 3, 4, 5, 6};
    for (int n : numbers | std::views::filter([](int n) { return n % 2 == 0; }) |
                     std::views::transform(Twice<int>)) {
        std::cout << n << ' ';
    }
    std::unique_ptr<Shape> shape = std::make_unique<Square>(1.5);
    std::cout << shape->area() << '\n';
}
