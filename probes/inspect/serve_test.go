package inspect

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"testing"
	"time"
)

// TestServeAnswersAll asks several questions before the first is read, as happens when a
// process is killed and its questions are asked anew.
func TestServeAnswersAll(t *testing.T) {
	in, questions, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	answers, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := answers.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	const asked = 3
	for number := range uint64(asked) {
		if err := writeLine(questions, question{Number: number + 1, Process: os.Getpid()}); err != nil {
			t.Fatal(err)
		}
	}
	served := make(chan error, 1)
	go func() { served <- Serve(in, out) }()
	lines := newLines(answers)
	for number := range uint64(asked) {
		var a answer
		for a.Number == 0 && lines.Scan() {
			_ = json.Unmarshal(lines.Bytes(), &a) // every other line is empty
		}
		if a.Number != number+1 {
			t.Fatalf("answer %d, want %d", a.Number, number+1)
		}
	}
	if err := questions.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestServeEndlessQuestion ends, rather than keep a question that never does.
func TestServeEndlessQuestion(t *testing.T) {
	in, questions, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer questions.Close()
	served := make(chan error, 1)
	go func() {
		served <- Serve(in, os.Stderr)
		in.Close()
	}()
	part := make([]byte, longestQuestion)
	for range 16 {
		if _, err = questions.Write(part); err != nil {
			break
		}
	}
	if err == nil {
		t.Fatal("it has read much more than a question can be")
	}
	if err := <-served; !errors.Is(err, bufio.ErrBufferFull) {
		t.Error(err)
	}
}
