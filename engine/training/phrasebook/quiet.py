"""What people type for music without a band. See `engine.training.phrasebook` for the columns."""

from __future__ import annotations

from engine.training.phrasebook.table import Said

QUIET: dict[str, Said] = {
    "ambient": Said(
        names="""ambient; drone; dark ambient; space ambient; soundscape; new age; meditation; meditation music;
            healing music; relaxation music; sleep music; deep listening; ambient drone; atmospheric; textural;
            soundbath; sound bath; spa music; yoga music; reiki; nature ambient; space music; cosmic; ambiant;
            ambience; atmosphere; sphärenmusik; klanglandschaft; entspannungsmusik; música ambiental; musique
            d'ambiance planante; musique de méditation; música para dormir; beatless electronic; mindfulness;
            asmr-like tones; white noise with chords; ethereal; binaural; kosmische""",
        heard="""slow pads; a long drone; endless reverb; no drums at all; swells that come and go; singing bowls;
            distant bells; a soft hum; floating synth tones; granular textures; wind and pads; whale-like sounds;
            glassy tones; held notes; bowed metal; slowly changing chords; a wash of sound; choir pads; shimmering
            overtones; tones without rhythm; a sustained chord; evolving synth layers; sub drones; far-away piano
            notes in reverb; a tone that never ends; soft layers of synth; a slow shimmer; breathing pads; a choir
            of air; faint bells in a fog; blurred strings without rhythm; a low rumble and bright haze; long
            fades; looping tones of different length; tape loops that decay""",
        scenes="""meditation; yoga; sleep; deep relaxation; outer space; the northern lights; an underwater scene; a
            misty lake; a massage; a desert at night; an art installation; the ocean floor; a spaceship drifting;
            a dream; clouds from above; a baby sleeping; stargazing; a frozen landscape; a cathedral of light; fog
            over mountains; a waiting astronaut; a nature film in slow motion; a coma; hypnosis; a hospital quiet
            room; a lighthouse in fog; dawn on another planet; an aquarium; a meditation app; a temple at night;
            slow clouds; a polar night; lying on the grass watching stars; a gallery with white walls; a lonely
            satellite; a spa; an empty desert; a prayer; the bottom of the sea; falling asleep on a plane""",
        whole="""no rhythm, only atmosphere; calm floating music; let me drift away; very slow and spacious; a
            background of sound, nothing else; nothing but texture; make me fall asleep; endless and weightless;
            peaceful tones, no melody; I want silence that hums; no beat please; pure atmosphere; serene and vast;
            relaxing sounds without drums; a dreamlike state; quiet hum of a spaceship; ohne Schlagzeug, nur
            Flächen; nappes de synthé sans rythme; sonidos relajantes sin ritmo; stillness; eternity; space;
            float; calm; peace; breathe in, breathe out; stretched tones that never resolve; no drums, no melody,
            just air; let it float; music as a landscape; slow tones for breathing; quiet waves of sound; soothe
            me; no beginning and no end; vast, cold and beautiful; I need stillness; so slow that nothing seems to
            move; mist turned into sound; something barely there; warm drone to sleep with; atmosphere for a
            mysterious place; hovering chords; weightless in space; sounds to meditate with""",
        hints="""void; drift; dream; breath; silence; fog; mist; stars; galaxy; nebula; aurora; glacier; cave;
            cathedral; zen; buddha; chakra; spa; massage; healing; trance state; womb; underwater; whale; moon;
            orbit; satellite; wind; rain without a beat; texture; haze; blur; wash; weightless; endless; serene;
            infinite; sustained; reverb; beatless; formless; angelic; tranquil; lullaby of space; mindful;
            therapy; relaxation; incense; slowly shifting tones; hum; soft noise; a held chord; far away;
            slow-moving clouds; sunrise over the sea, no drums; sound design; score for an empty room;
            contemplation; solitude in space; calming tones for anxiety; a wellness app; body scan; sound healing;
            background for a guided meditation; dark drone for horror; a spacewalk; deep sea; time stands still;
            glowing pads; music without beat; airy choir of synths; long tones; frozen lake""",
        abroad="""schlafen; schweben; méditer; dormir; dormire; meditación; méditation; stille; ruhe; weltraum; espace;
            espacio; relax profundo; calme; entspannung; nappes; flächen; rêve; sueño; cisza; spokój; musique
            planante; música celestial; sphärisch; sin percusión""",
    ),
    "neo-classical piano": Said(
        names="""solo piano; piano; piano solo; felt piano; modern classical piano; minimal piano; contemporary
            classical; neoclassical; neo classical; minimalism; minimalist piano; sad piano; romantic piano; piano
            ballad; classical piano; nocturne; etude; prelude; impressionist piano; gentle piano; calm piano;
            piano music; piano piece; pianno; peaceful piano; chamber music with piano; post-minimalism;
            klaviermusik; klavier; piano seul; música de piano; piano triste; pianoforte; film piano; salon piece;
            lyrical piano; moonlight sonata mood; gymnopedie; emotional piano; keyboard miniature""",
        heard="""a felt-covered upright piano; soft hammers; broken chords; piano arpeggios; pedal noise and quiet
            keys; a piano with a cello; a repeating piano figure; piano and sparse strings; single notes on a
            piano; a lone piano melody; rolling left-hand arpeggios; very soft piano dynamics; a close-miked
            piano; the creak of a piano stool; a grand piano in a hall; piano with light strings; sustained piano
            pedal; an old out-of-tune piano; slow piano chords; minimal patterns on the piano; black and white
            keys, nothing else; a delicate ostinato in the right hand; a string quartet with piano; a fragile
            melody on the keys; a piano played very softly; slow chords and a single melody on the piano; a
            rolling pattern of piano eighths; muted strings of an upright; piano with long pedal; two-handed piano
            patterns; a tiny piano tune; hesitant piano notes; a close microphone on the hammers; piano and a
            faint violin""",
        scenes="""a sad film scene; a rainy window and a piano; a funeral; a wedding ceremony; a ballet class; falling
            snow; a letter from a lost friend; a lonely apartment; a winter morning; a goodbye at the station; a
            hospice; an old photo album; a documentary about loss; a poem; a candle in a dark room; an empty
            concert hall; a memory of childhood; tears; a love lost; a quiet chapel; a silent film drama;
            grandmother's living room; autumn melancholy; a slow pan over a face; an old man alone at home; a
            mother's goodbye; a love letter; a dancer's solo; a still lake in winter; an empty theatre; a photo
            slideshow of a late friend; walking through snow; a black and white short film; a church wedding; a
            diary; a memory of war; a sad ending; a late evening at the keyboard; rain on the roof of the music
            room""",
        whole="""just a piano; piano alone, slow and sad; quiet and fragile; simple melody on the keys that makes you
            cry; gentle arpeggios; tender and melancholic; nothing but piano; intimate recording of an old piano;
            reflective, minimal and soft; a pianist thinking aloud; classical but modern; emotional piano with
            some strings; no drums, no bass, only piano; delicate, as if not to wake anyone; repeating patterns
            that slowly change on a piano; trauriges Klavierstück; morceau de piano mélancolique; pieza de piano
            triste; heartbreaking and simple; ivory keys; sorrow; lonely; a slow waltz for piano; a piano that
            remembers; simple and heartbreaking; soft hands on old keys; piano to cry to; only one instrument,
            black and white; calm classical piano with feeling; repetition on the piano, slowly unfolding; like a
            small prayer on the piano; a piano piece for a sorrowful scene; gentle melody without words, on a
            piano; pianissimo; romantic and sad, played alone; a fragile waltz; modern piano composer; pensive
            keys""",
        hints="""pianist; keys; felt; steinway; waltz for piano; sonata; ballet; grief; goodbye; snow; winter; rain and
            piano; letter; memory; loneliness; heartache; poetry; candle; funeral; elegy; fragile; delicate;
            tender; melancholy; nostalgia at the piano; pedal; hammers; ivory; arpeggio; cello and piano; lullaby
            for piano; a music room; recital; conservatory; solitude; a sad child; loss; farewell; whisper of
            keys; quiet hands; alone at the keyboard; introspective; wistful; a still life; grey sky; black and
            white photograph; simple piano; emotional; sad; a tender piano theme; slow keys; a touching scene;
            soft keys; little piano piece; pianist improvising softly; piano for a documentary; dying leaves;
            dramatic piano; gentle keys for a wedding; the sound of hammers on felt; bare piano; broken heart and
            piano; melody for the right hand; reflective; student at the conservatory; french piano; romantic
            salon; a moonlit piano; piano in the rain; piano meditation; crying""",
        abroad="""klavierstück; traurig; triste; mélancolie; tristezza; tristeza; piano mélancolique; klavier allein;
            piano solo triste; pianoforte solo; fortepian; smutne pianino; ballet classique; ballett; nostalgie;
            enterrement; boda con piano; larmes; neige; invierno; schnee; pièce pour piano; piano suave y emotivo""",
    ),
    "orchestral": Said(
        names="""orchestra; orchestral music; symphony; symphonic; film score; film music; movie soundtrack; cinematic;
            epic music; trailer music; classical; classical music; classic music; fantasy soundtrack; game
            soundtrack; hollywood; score; epic orchestral; hybrid orchestral; heroic music; adventure score;
            battle music; overture; ballet suite; opera prelude; string orchestra; chamber orchestra; military
            march; royal fanfare; orkestra; orchester; klassik; filmmusik; musique de film; musique classique;
            música clásica; banda sonora; música épica; orchestre symphonique; soundtrack; horror score; john ford
            western score; baroque; concerto""",
        heard="""a full orchestra; soaring strings; french horns; a brass fanfare; timpani; taiko drums; a choir;
            string ostinatos; tremolo violins; woodwinds; cellos and basses; a huge crescendo; cymbal swells;
            trombones; pizzicato; a harp glissando; staccato strings; an oboe solo with strings; big percussion
            hits; violins and violas; an organ with brass and choir; a snare roll with trumpets; braaam; a solo
            violin with orchestra; pounding drums and brass; a heroic horn call; trembling strings; a huge string
            section; a chorus singing in Latin; low brass and basses; a lyrical oboe and harp; marching snare and
            trumpets; swirling woodwinds; a bombastic finale; spiccato strings; a string adagio""",
        scenes="""an epic battle; a movie trailer; a hero's return; a fantasy kingdom; a space opera; a pirate
            adventure; a coronation; a sword fight; a horror film; a castle on a hill; a war film; dragons; a
            superhero; a boss fight; a quest; a documentary about ancient Rome; a sweeping landscape; an animated
            film; a tragic death scene; a magical school; an Oscar ceremony; the end of the world; a chase in an
            adventure film; knights; a villain's entrance; a ship in a storm; a siege; a rocket launch; a haunted
            house; the fall of an empire; a prince's wedding; a ship sailing into the unknown; a space battle; a
            superhero's first flight; a medieval tournament; the Olympic ceremony; a giant monster; a fairy tale;
            a documentary about the universe; a chase through a jungle film; a sad farewell on the battlefield; a
            wizard duel; an oath""",
        whole="""epic and grand; big emotional strings; like a Hollywood film; heroic brass and drums; dramatic music
            with violins; suspense building up; majestic; something for a trailer that gives goosebumps; music for
            a knight's battle; a full symphony playing; tension before the fight; triumphant ending; sad strings
            for a tragedy; large scale and powerful, no guitars; menacing low strings; a theme for a king;
            adventure and wonder; many violins; episch und gewaltig; grand orchestre dramatique; orquesta épica;
            creepy strings; magical and sparkling, with celesta and strings; victory; good against evil; shivers
            down my spine, huge strings; build up to a gigantic climax; make it sound like a blockbuster; noble
            and brave; doom is coming; violins crying; brass like an army; suspense with strings; concert hall
            music; grand opening theme; mighty drums before the war; tender strings then triumph; enchanting, with
            harp and flutes; sad and grand; opera-like drama; a nation's pride; music for a film about heroes""",
        hints="""march; trailer; epic; battle; war; hero; villain; king; queen; castle; knight; dragon; wizard school;
            quest; adventure; fantasy; empire; galaxy war; superhero; triumph; tragedy; suspense; thriller;
            horror; jump scare; danger; chase with strings; gladiator; pirates; vikings; olympics; ceremony;
            anthem of a nation; grand; heroic; sweeping; soaring; dramatic; goosebumps; blockbuster; opera;
            beethoven; mozart; mahler; wagner; tchaikovsky; vivaldi; bach orchestra; conductor; philharmonic;
            crescendo; taiko; braam; tense strings; ominous; magic; wonder; fairytale; christmas with orchestra;
            magical forest; a noble theme; western with orchestra; big climax; documentary about nature with
            orchestra; final boss; cutscene; strategy game; kingdom; army marching; ancient Rome; time is running
            out; ticking tension; countdown; emotional climax; sad violins; string quartet; baroque strings;
            church choir and orchestra; massive drums and brass; sword and sorcery; space opera; title theme;
            royal""",
        abroad="""orchestre; orquesta; orchestra sinfonica; orkiestra; sinfonie; symphonie; sinfonía; klassisch;
            classique; clásica; streicher; cordes; cuerdas; violons; violines; geigen; bläser; episch; épique;
            épico; spannung; suspense dramatique; schlacht; bataille; batalla; héroïque; heldenhaft; muzyka
            filmowa; bohater""",
    ),
}  # fmt: skip
