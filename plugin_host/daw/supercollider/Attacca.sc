/*
Asks a running engine (attacca serve) for bars, by OSC. The engine answers with a file, which is loaded into a buffer.

	a = Attacca(s);
	a.prompt("warm deep house");
	a.generate(4, 122, done: { |take| take.buffer.play });
	a.continue("/home/me/loop.wav", 4, 120, done: { |take| take.buffer.play });

Replies come to sclang's own port (NetAddr.langPort). done and fail run on AppClock, once, for the own request only.
*/
Attacca {
	var <server, <address, <>meter = "4/4", <>seed = -1, <>timeout = 60, <>verbose = true;
	var waiting, responders, <last;
	classvar serial = 0;

	*new { |server, address|
		^super.new.init(server ? Server.default, address ?? { NetAddr("127.0.0.1", 9810) })
	}

	init { |theServer, theAddress|
		server = theServer;
		address = theAddress;
		waiting = IdentityDictionary.new;
		responders = [
			OSCFunc({ |message| this.prDone(*message[1..]) }, '/attacca/done', address),
			OSCFunc({ |message| this.prFail(*message[1..]) }, '/attacca/fail', address),
			OSCFunc({ |message| this.changed(\progress, message[1], message[2]) }, '/attacca/progress', address)
		];
		responders.do { |each| each.permanent = true };
	}

	free { responders.do(_.free); waiting.clear }

	// ---- what later requests are told

	prompt { |text, weight = 1| address.sendMsg('/attacca/prompt', text.asString, weight.asFloat) }
	noPrompt { address.sendMsg('/attacca/prompt') }
	intensity { |... beatsAndLevels| address.sendMsg('/attacca/intensity', *beatsAndLevels.collect(_.asFloat)) }
	// notes: [[pitch, beat, length, velocity], ...]; beats are quarters from the first new bar
	melody { |notes|
		address.sendMsg('/attacca/melody', *(notes ? []).collect { |n| [n[0].asInteger] ++ n[1..].collect(_.asFloat) }.flatten)
	}

	// ---- requests. done: { |take| }, an AttaccaTake; fail: { |code, text| }

	generate { |bars, tempo, prompt = "", done, fail|
		^this.prAsk('/attacca/generate', prompt.asString, bars, tempo, done, fail)
	}

	continue { |path, bars, tempo, done, fail|
		^this.prAsk('/attacca/continue', path.asString.standardizePath, bars, tempo, done, fail)
	}

	goOn { |bars, tempo, done, fail|
		last ?? { ^Error("nothing was made yet: generate or continue first").throw };
		^this.continue(last.path, bars, tempo, done, fail)
	}

	cancel { |id| address.sendMsg('/attacca/cancel', id.asString) }
	panic { address.sendMsg('/attacca/panic') }
	hold { |bars = 0| address.sendMsg('/attacca/live/hold', bars.asInteger) }

	// ---- inside

	prAsk { |where, text, bars, tempo, done, fail|
		var id = "sc-%-%".format(NetAddr.langPort, serial = serial + 1).asSymbol;
		waiting[id] = (done: done, fail: fail);
		address.sendMsg(where, id.asString, text, bars.asInteger, tempo.asFloat, meter.asString, seed.asInteger);
		AppClock.sched(timeout, {
			this.prFail(id, 'no-answer', "no engine answers at %:%: start one with attacca serve".format(address.ip, address.port));
			nil
		});
		^id
	}

	prDone { |id, path, frames, rate, seconds|
		var take, order = waiting.removeAt(id.asSymbol);
		order ?? { ^this };
		last = take = AttaccaTake(id, path.asString, frames, rate, seconds);
		Buffer.read(server, take.path, action: { |buffer|
			take.buffer = buffer;
			{ order[\done].value(take) }.defer;
		});
	}

	prFail { |id, code, text|
		var order = waiting.removeAt(id.asSymbol);
		order ?? { ^this };
		if(verbose) { "Attacca: % (%)".format(text, code).warn };
		{ order[\fail].value(code, text) }.defer;
	}
}

// A finished request: its file, and the buffer that it was loaded into. rate in Hz, seconds that it took to make.
AttaccaTake {
	var <id, <path, <frames, <rate, <seconds, <>buffer;
	*new { |id, path, frames, rate, seconds| ^super.newCopyArgs(id, path, frames, rate, seconds) }
	free { buffer.free }
}
