// Program go_parsers reads PromQL texts and says what selectors the engines' own parsers find in them.
//
// A batch is a line with the number of texts, and that many lines with a text each, in hexadecimal. The answer is
// a line of JSON for each text: the different readings that Prometheus' parser has of it, over all of its options,
// and that of VictoriaMetrics' parser; none where a parser refuses the text.
package main

import (
	"bufio"
	"encoding/hex"
	"encoding/json"
	"io"
	"log"
	"os"
	"reflect"
	"strconv"
	"strings"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/prometheus/prometheus/promql/parser"
)

// The readings of a text.
type answer struct {
	Prometheus      []*reading `json:"prometheus"`
	VictoriaMetrics []*reading `json:"victoria_metrics"`
}

// A reading of a text.
type reading struct {
	// Selectors are the matchers of each vector selector: name, operator, value.
	Selectors [][][3]string `json:"selectors"`
	// Infos are the numbers of arguments of each call of info().
	Infos []int `json:"infos"`
}

func parsers() []parser.Parser {
	var made []parser.Parser
	for options := range 8 {
		made = append(made, parser.NewParser(parser.Options{
			EnableExperimentalFunctions: options&1 != 0,
			EnableBinopFillModifiers:    options&2 != 0,
			EnableUnquotedUTF8Names:     options&4 != 0,
		}))
	}
	return made
}

func read(p parser.Parser, text string) *reading {
	expr, err := p.ParseExpr(text)
	if err != nil {
		return nil
	}
	found := &reading{Selectors: [][][3]string{}, Infos: []int{}}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			matchers := [][3]string{}
			for _, m := range n.LabelMatchers {
				matchers = append(matchers, [3]string{m.Name, m.Type.String(), m.Value})
			}
			found.Selectors = append(found.Selectors, matchers)
		case *parser.Call:
			if n.Func.Name == "info" {
				found.Infos = append(found.Infos, len(n.Args))
			}
		}
		return nil
	})
	return found
}

func readMetricsQL(text string) []*reading {
	expr, err := metricsql.Parse(text)
	if err != nil {
		return []*reading{}
	}
	found := &reading{Selectors: [][][3]string{}, Infos: []int{}}
	metricsql.VisitAll(expr, func(expr metricsql.Expr) {
		metric, ok := expr.(*metricsql.MetricExpr)
		if !ok {
			return
		}
		if len(metric.LabelFilterss) == 0 {
			found.Selectors = append(found.Selectors, [][3]string{})
		}
		for _, filters := range metric.LabelFilterss {
			matchers := [][3]string{}
			for _, f := range filters {
				matchers = append(matchers, [3]string{f.Label, operator(f), f.Value})
			}
			found.Selectors = append(found.Selectors, matchers)
		}
	})
	return []*reading{found}
}

func operator(f metricsql.LabelFilter) string {
	switch {
	case f.IsNegative && f.IsRegexp:
		return "!~"
	case f.IsNegative:
		return "!="
	case f.IsRegexp:
		return "=~"
	}
	return "="
}

func readings(all []parser.Parser, text string) []*reading {
	different := []*reading{}
next:
	for _, p := range all {
		found := read(p, text)
		if found == nil {
			continue
		}
		for _, known := range different {
			if reflect.DeepEqual(known, found) {
				continue next
			}
		}
		different = append(different, found)
	}
	return different
}

func main() {
	in, out := bufio.NewReader(os.Stdin), bufio.NewWriter(os.Stdout)
	encoder := json.NewEncoder(out)
	all := parsers()
	line := func() string {
		text, err := in.ReadString('\n')
		if err == io.EOF {
			os.Exit(0)
		}
		if err != nil {
			log.Fatal(err)
		}
		return strings.TrimSuffix(text, "\n")
	}
	for {
		count, err := strconv.Atoi(line())
		if err != nil {
			log.Fatal(err)
		}
		// The whole batch first: who sends it does not read before it is sent.
		texts := make([]string, count)
		for i := range texts {
			text, err := hex.DecodeString(line())
			if err != nil {
				log.Fatal(err)
			}
			texts[i] = string(text)
		}
		for _, text := range texts {
			if err := encoder.Encode(answer{readings(all, text), readMetricsQL(text)}); err != nil {
				log.Fatal(err)
			}
		}
		if err := out.Flush(); err != nil {
			log.Fatal(err)
		}
	}
}
