// Compute kernels for `cargo xtask bench kernels`: kernels REPETITIONS NAME prints NAME and a checksum.
//
// No kernel asks the host for anything while it computes, and none takes less than a few milliseconds. Each returns a
// number that depends on all of its work, so that no compiler can leave the work out.

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A new pseudo-random number: the multiplier and increment of Numerical Recipes.
static uint32_t next_random(uint32_t *state) {
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

// Matrix product: nested loops over memory, floating point.
enum { GEMM_SIZE = 288 };
static double left[GEMM_SIZE][GEMM_SIZE], right[GEMM_SIZE][GEMM_SIZE], product[GEMM_SIZE][GEMM_SIZE];

static double gemm(void) {
    for (int i = 0; i < GEMM_SIZE; i++) {
        for (int j = 0; j < GEMM_SIZE; j++) {
            left[i][j] = (double)((i * 3 + j) % 11) / 11.0;
            right[i][j] = (double)((i + j * 5) % 13) / 13.0;
            product[i][j] = 0.0;
        }
    }
    for (int i = 0; i < GEMM_SIZE; i++) {
        for (int k = 0; k < GEMM_SIZE; k++) {
            const double factor = left[i][k];
            for (int j = 0; j < GEMM_SIZE; j++) product[i][j] += factor * right[k][j];
        }
    }
    double trace = 0.0;
    for (int i = 0; i < GEMM_SIZE; i++) trace += product[i][i];
    return trace;
}

// Fibonacci numbers by definition: calls and nothing else.
__attribute__((noinline)) static uint32_t fibonacci(uint32_t n) {
    return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}

static double fib(void) {
    volatile uint32_t n = 32;
    return fibonacci(n);
}

// SHA-256 of 4 MiB: rotations and a working set of registers.
static const uint32_t ROUND[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t word, int by) { return word >> by | word << (32 - by); }

static void sha256_block(uint32_t state[8], const uint8_t *block) {
    uint32_t schedule[64], v[8];
    for (int i = 0; i < 16; i++) {
        const uint8_t *bytes = block + 4 * i;
        schedule[i] = (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
    }
    for (int i = 16; i < 64; i++) {
        const uint32_t early = schedule[i - 15], late = schedule[i - 2];
        const uint32_t s0 = rotate(early, 7) ^ rotate(early, 18) ^ early >> 3;
        const uint32_t s1 = rotate(late, 17) ^ rotate(late, 19) ^ late >> 10;
        schedule[i] = schedule[i - 16] + s0 + schedule[i - 7] + s1;
    }
    memcpy(v, state, sizeof v);
    for (int i = 0; i < 64; i++) {
        const uint32_t s1 = rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25);
        const uint32_t choice = (v[4] & v[5]) ^ (~v[4] & v[6]);
        const uint32_t first = v[7] + s1 + choice + ROUND[i] + schedule[i];
        const uint32_t s0 = rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22);
        const uint32_t majority = (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]);
        v[7] = v[6], v[6] = v[5], v[5] = v[4], v[4] = v[3] + first;
        v[3] = v[2], v[2] = v[1], v[1] = v[0], v[0] = first + s0 + majority;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}

static double sha256(void) {
    static uint8_t message[4 << 20];
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    uint32_t random = 7;
    for (size_t i = 0; i < sizeof message; i += 64) message[i] = (uint8_t)next_random(&random);
    for (size_t i = 0; i < sizeof message; i += 64) sha256_block(state, message + i);
    return state[0];
}

// Five bodies that attract each other: floating point with divisions and roots.
struct body {
    double position[3], velocity[3], mass;
};

static void attract(struct body *one, struct body *other, double step) {
    double distance[3], squared = 0.05; // softened: the bodies start anywhere and may come close
    for (int axis = 0; axis < 3; axis++) {
        distance[axis] = one->position[axis] - other->position[axis];
        squared += distance[axis] * distance[axis];
    }
    const double magnitude = step / (squared * sqrt(squared));
    for (int axis = 0; axis < 3; axis++) {
        one->velocity[axis] -= distance[axis] * other->mass * magnitude;
        other->velocity[axis] += distance[axis] * one->mass * magnitude;
    }
}

static double nbody(void) {
    enum { BODIES = 5, STEPS = 200000 };
    struct body bodies[BODIES];
    uint32_t random = 3;
    for (int i = 0; i < BODIES; i++) {
        for (int axis = 0; axis < 3; axis++) {
            bodies[i].position[axis] = (double)(next_random(&random) % 2000) / 100.0 - 10.0;
            bodies[i].velocity[axis] = (double)(next_random(&random) % 200) / 1000.0 - 0.1;
        }
        bodies[i].mass = 1.0 + i;
    }
    for (int step = 0; step < STEPS; step++) {
        for (int i = 0; i < BODIES; i++) {
            for (int j = i + 1; j < BODIES; j++) attract(&bodies[i], &bodies[j], 0.001);
        }
        for (int i = 0; i < BODIES; i++) {
            for (int axis = 0; axis < 3; axis++) bodies[i].position[axis] += 0.001 * bodies[i].velocity[axis];
        }
    }
    return bodies[0].position[0];
}

// The Mandelbrot set: a tight loop in registers.
static double mandelbrot(void) {
    enum { SIZE = 320, ITERATIONS_MAX = 200 };
    long total = 0;
    for (int row = 0; row < SIZE; row++) {
        for (int column = 0; column < SIZE; column++) {
            const double real = 3.0 * column / SIZE - 2.0, imaginary = 2.0 * row / SIZE - 1.0;
            double x = 0.0, y = 0.0;
            int count = 0;
            while (count < ITERATIONS_MAX && x * x + y * y <= 4.0) {
                const double moved = x * x - y * y + real;
                y = 2.0 * x * y + imaginary;
                x = moved;
                count++;
            }
            total += count;
        }
    }
    return (double)total;
}

// Tokens of a JSON document of about a mebibyte, ten times: byte by byte, branches that nobody can predict.
static char document[2 << 20];
static size_t document_length;

static void write_document(void) {
    if (document_length > 0) return;
    uint32_t random = 11;
    char *end = document;
    *end++ = '[';
    for (int i = 0; i < 9000; i++) {
        const uint32_t number = next_random(&random);
        end += sprintf(end, "{\"id\":%d, \"name\":\"person %u \\\"x\\\"\", \"scores\":[%u,%u.%u,-%u], \"active\":%s},\n", i,
                       (unsigned)number, (unsigned)(number % 97), (unsigned)(number % 13), (unsigned)(number % 89),
                       (unsigned)(number % 1009), number & 1 ? "true" : "null");
    }
    end += sprintf(end, "{}]");
    document_length = (size_t)(end - document);
}

static const char *skip_string(const char *at, const char *end) {
    while (at < end && *at != '"') at += *at == '\\' ? 2 : 1;
    return at + 1;
}

static const char *read_number(const char *at, const char *end, double *number) {
    const bool negative = *at == '-';
    double value = 0.0, scale = 1.0;
    bool fraction = false;
    for (at += negative; at < end && ((*at >= '0' && *at <= '9') || *at == '.'); at++) {
        if (*at == '.') {
            fraction = true;
            continue;
        }
        value = value * 10.0 + (*at - '0');
        if (fraction) scale *= 10.0;
    }
    *number = (negative ? -value : value) / scale;
    return at;
}

static double tokenise(void) {
    double sum = 0.0;
    uint32_t tokens = 0, depth = 0, words = 0;
    const char *at = document, *const end = document + document_length;
    while (at < end) {
        double number = 0.0;
        switch (*at) {
        case ' ': case '\n': at++; continue;
        case '{': case '[': depth++, at++; break;
        case '}': case ']': depth--, at++; break;
        case ':': case ',': at++; break;
        case '"': at = skip_string(at + 1, end); break;
        case 't': case 'n': words++, at += 4; break;
        default: at = read_number(at, end, &number); sum += number; break;
        }
        tokens++;
    }
    return sum + tokens + words + depth;
}

static double json(void) {
    enum { TIMES = 10 };
    write_document();
    double sum = 0.0;
    for (int i = 0; i < TIMES; i++) sum += tokenise();
    return sum;
}

// Heapsort through a function pointer, as qsort would: indirect calls and scattered memory.
enum { SORTED = 200000 };
static uint32_t sorted[SORTED];

static int compare(const void *one, const void *other) {
    const uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
    return (a > b) - (a < b);
}

static void sift(uint32_t *heap, size_t root, size_t length, int (*order)(const void *, const void *)) {
    for (size_t child; (child = 2 * root + 1) < length; root = child) {
        if (child + 1 < length && order(&heap[child], &heap[child + 1]) < 0) child++;
        if (order(&heap[root], &heap[child]) >= 0) return;
        const uint32_t moved = heap[root];
        heap[root] = heap[child], heap[child] = moved;
    }
}

static double heapsort_kernel(void) {
    int (*volatile order)(const void *, const void *) = compare; // volatile: the call has to stay indirect
    int (*const chosen)(const void *, const void *) = order;
    uint32_t random = 5;
    for (size_t i = 0; i < SORTED; i++) sorted[i] = next_random(&random);
    for (size_t root = SORTED / 2; root-- > 0;) sift(sorted, root, SORTED, chosen);
    for (size_t end = SORTED - 1; end > 0; end--) {
        const uint32_t largest = sorted[0];
        sorted[0] = sorted[end], sorted[end] = largest;
        sift(sorted, 0, end, chosen);
    }
    for (size_t i = 1; i < SORTED; i++) {
        if (sorted[i - 1] > sorted[i]) abort();
    }
    return sorted[SORTED / 2];
}

// The sieve of Eratosthenes: strides through more memory than the caches hold.
static double sieve(void) {
    enum { BOUND = 4000000 };
    static uint8_t composite[BOUND];
    memset(composite, 0, sizeof composite);
    int primes = 0;
    for (int i = 2; i < BOUND; i++) {
        if (composite[i]) continue;
        primes++;
        for (long multiple = 2L * i; multiple < BOUND; multiple += i) composite[multiple] = 1;
    }
    return primes;
}

static const struct kernel {
    const char *name;
    double (*run)(void);
} KERNELS[] = {
    {"gemm", gemm},   {"fib", fib},   {"sha256", sha256},            {"nbody", nbody}, {"mandelbrot", mandelbrot},
    {"json", json},   {"heapsort", heapsort_kernel}, {"sieve", sieve},
};

int main(int count, char **arguments) {
    const char *wanted = count == 3 ? arguments[2] : "";
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++) {
        if (strcmp(KERNELS[i].name, wanted) != 0) continue;
        double checksum = 0.0;
        for (int left_over = atoi(arguments[1]); left_over > 0; left_over--) checksum = KERNELS[i].run();
        printf("%s %.9g\n", wanted, checksum);
        return 0;
    }
    fprintf(stderr, "usage: kernels REPETITIONS NAME\n");
    return 2;
}
